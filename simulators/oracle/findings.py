"""What a check found: how much it looked at, and what is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

TITLES: Final[Mapping[str, str]] = {
    "I1": "acknowledged messages are stored with their case",
    "I2": "cases have exactly their frozen steps",
    "I3": "deliveries agree with what the departments did",
    "I4": "deliveries in hand have a live lease",
    "I5": "journal entries verify and replay to the tables",
    "I6": "batches and files agree",
    "I7": "gauges equal table counts",
    "I8": "places searched for canaries",
}


@dataclass(slots=True)
class Check:
    """One invariant. ``looked_at``: how many things were checked; ``found``: one sentence each, with the id first."""

    looked_at: int = 0
    found: list[str] = field(default_factory=list)

    def expect(self, true: object, otherwise: str) -> bool:
        """Count one look; record the sentence when it does not hold. Returns whether it does."""
        self.looked_at += 1
        if not true:
            self.found.append(otherwise)
        return bool(true)


@dataclass(slots=True, kw_only=True)
class Report:
    """The verdict on one run. ``checks`` by invariant; those that were not asked for are absent."""

    checks: dict[str, Check] = field(default_factory=dict)
    lost: int = 0
    undetected_duplicates: int = 0
    possible_duplicates: int = 0

    @property
    def is_ok(self) -> bool:
        """Whether nothing at all was found."""
        return not any(check.found for check in self.checks.values())

    def as_json(self) -> dict[str, Any]:
        """The report for a program."""
        return {
            "verdict": "ok" if self.is_ok else "failed",
            "lost": self.lost,
            "undetected_duplicates": self.undetected_duplicates,
            "possible_duplicates": self.possible_duplicates,
            "invariants": {
                name: {"ok": not check.found, "checked": check.looked_at, "findings": check.found}
                for name, check in self.checks.items()
            },
        }

    def lines(self, most: int = 20) -> Sequence[str]:
        """The report for a person; at most so many findings of each invariant."""
        told: list[str] = []
        for name, check in self.checks.items():
            verdict = f"FAILED ({len(check.found)})" if check.found else "ok"
            told.append(f"{name}  {verdict:<12} {check.looked_at:>7}  {TITLES[name]}")
            told += [f"      {sentence}" for sentence in check.found[:most]]
            if len(check.found) > most:
                told.append(f"      .. and {len(check.found) - most} more")
        told.append(
            f"lost {self.lost}, undetected duplicates {self.undetected_duplicates},"
            f" possible duplicates {self.possible_duplicates}: {'ok' if self.is_ok else 'FAILED'}"
        )
        return told
