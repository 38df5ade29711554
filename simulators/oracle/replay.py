"""I5: the journal's hashes computed again from the documented format, and its entries replayed into the state of every row.

An entry holds the changes that one unit of work made on a chain: ``[[kind, subject, from, to, {codes}], ..]`` as JSON text. Its
hash is SHA-256 (or SM3, as the key-check row says) over the hash before it (64 zeros at first) and the compact JSON of ``[region, chain, seq, at, by, changes]``;
chains are numbered from 1 without a gap. A tail that was cut off shows in the tables, which have then gone further.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from simulators.oracle.evidence import Evidence, Row
from simulators.oracle.findings import Check
from simulators.oracle.seals import EMPTY, algorithm_of, purged_of

_MACHINES: Final = frozenset({"case", "step", "delivery", "task", "attempt", "batch"})
_BEGINS: Final = {"step": "blocked", "batch": "open"}
"""The state of a row before its first entry, where that is not nothing."""


@dataclass(slots=True)
class Replayed:
    """What the journal says of one case or system."""

    states: dict[tuple[str, str], str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    flags: set[str] = field(default_factory=set)
    decision: str | None = None
    replies: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    prints: dict[str, int] = field(default_factory=dict)


def journal_agrees(evidence: Evidence) -> Check:
    """Chains whole, moves continuous, and the state they lead to equal to the tables."""
    check = Check()
    algorithm, purged = algorithm_of(evidence), purged_of(evidence)
    chains: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in evidence.tables["journal"]:
        chains[row["region"], row["chain"]].append(row)
    for (_, name), rows in sorted(chains.items()):
        _verify(check, name, rows, algorithm, purged.get(name, ()))
    # What was purged cannot be replayed: of such a chain only the links can be checked.
    whole = {name: rows for (_, name), rows in sorted(chains.items()) if name not in purged}
    replayed = {name: _replay(check, name, rows) for name, rows in whole.items()}
    _compare(check, _without(evidence, purged.keys()), replayed)
    return check


def _without(evidence: Evidence, purged: Collection[str]) -> Evidence:
    """The tables but for cases and systems whose entries were purged."""
    if not purged:
        return evidence
    gone = {row["id"] for row in evidence.tables["delivery"] if row["case_no"] in purged}
    kept = {
        name: [
            row
            for row in rows
            if row.get("case_no") not in purged
            and not (name == "batch" and f"system:{row['system']}" in purged)
            and not (name == "sheet" and row["delivery"] in gone)
        ]
        for name, rows in evidence.tables.items()
    }
    return replace(evidence, tables=kept)


def _verify(check: Check, name: str, rows: list[Row], algorithm: str, purged: Sequence[str]) -> None:
    rows.sort(key=lambda row: row["seq"])
    before = purged[-1] if purged else EMPTY
    for place, row in enumerate(rows, len(purged) + 1):
        whole = row["seq"] == place and row["hash"] == entry_hash(before, row, algorithm)
        if not check.expect(whole, f"{name}: entry {row['seq']} does not follow from the one before it"):
            break
        before = row["hash"]


def entry_hash(before: str, row: Row, algorithm: str) -> str:
    """The hash of an entry, lower-case hex."""
    entry = [row[name] for name in ("region", "chain", "seq", "at", "by", "changes")]
    text = json.dumps(entry, separators=(",", ":"), ensure_ascii=False)
    return hashlib.new(algorithm, before.encode() + text.encode()).hexdigest()


def _replay(check: Check, name: str, rows: list[Row]) -> Replayed:
    found = Replayed()
    for row in rows:
        for kind, subject, before, after, codes in json.loads(row["changes"]):
            if kind in _MACHINES and not (kind == "step" and before is None):
                was = found.states.get((kind, subject), _BEGINS.get(kind))
                check.expect(
                    was == before, f"{name}: entry {row['seq']} moves {kind} {subject} from {before}, it was {was}"
                )
                found.states[kind, subject] = after
            elif kind == "step":
                found.silent.add(subject)  # a mark beside the state of a source that did not answer
            elif kind == "flag":
                (found.flags.add if after == "up" else found.flags.discard)(subject)
            elif kind == "decision":
                found.decision = after
            elif kind == "reply":
                found.replies[subject, codes["reply"], after] += 1
            elif kind == "print":
                found.prints[subject] = int(after)
    return found


def _compare(check: Check, evidence: Evidence, replayed: dict[str, Replayed]) -> None:
    """Every row has the state that its journal leads to, and nothing that the journal knows has vanished."""
    told: dict[tuple[str, str, str], str] = {}
    for name, one in replayed.items():
        told |= {(name, *key): state for key, state in one.states.items()}
    there = _states(evidence)
    for (name, kind, subject), state in there.items():
        begins = "blocked" if kind == "step" else None
        said = told.get((name, kind, subject), begins)
        check.expect(said == state, f"{name}: {kind} {subject} is {state}, the journal leads to {said or 'nothing'}")
    for name, kind, subject in sorted(told.keys() - there.keys()):
        check.expect(False, f"{name}: {kind} {subject} is in the journal and nowhere else")
    empty = Replayed()
    for row in evidence.tables["case_file"]:
        one = replayed.get(row["case_no"], empty)
        flags = set(filter(None, row["flags"].split(",")))
        check.expect(flags == one.flags, f"{row['case_no']}: flags {sorted(flags)}, journal {sorted(one.flags)}")
        check.expect(row["decision"] == one.decision, f"{row['case_no']}: decision is not the one in the journal")
    for row in evidence.tables["case_step"]:
        silent = row["step"] in replayed.get(row["case_no"], empty).silent
        check.expect(bool(row["mark"]) == silent, f"{row['case_no']}: mark of step {row['step']} is not the journal's")
    _compare_replies(check, evidence, replayed)


def _states(evidence: Evidence) -> dict[tuple[str, str, str], str]:
    tables = evidence.tables
    found = {(row["case_no"], "case", row["case_no"]): row["status"] for row in tables["case_file"]}
    found |= {(row["case_no"], "step", row["step"]): row["state"] for row in tables["case_step"]}
    found |= {(row["case_no"], "delivery", row["id"]): row["state"] for row in tables["delivery"]}
    found |= {(row["case_no"], "task", row["id"]): row["state"] for row in tables["task"]}
    found |= {
        (row["case_no"], "attempt", f"{row['delivery']}/{row['number']}"): row["state"] for row in tables["attempt"]
    }
    found |= {(f"system:{row['system']}", "batch", row["id"]): row["state"] for row in tables["batch"]}
    return found


def _compare_replies(check: Check, evidence: Evidence, replayed: dict[str, Replayed]) -> None:
    told: Counter[tuple[Any, ...]] = Counter()
    prints: dict[str, int] = {}
    for one in replayed.values():
        told.update(one.replies)  # adding counters would look through the whole of it for each case
        prints |= one.prints
    there = Counter(
        (row["delivery"], row["kind"], row["verdict"]) for row in evidence.tables["reply"] if row["case_no"] is not None
    )
    for delivery, kind, verdict in sorted({*told, *there}):
        key = (delivery, kind, verdict)
        check.expect(
            told[key] == there[key], f"{delivery}: {there[key]} replies {kind} ({verdict}), {told[key]} in the journal"
        )
    for row in evidence.tables["sheet"]:
        said = prints.get(row["number"], 0)
        check.expect(row["prints"] == said, f"{row['number']}: printed {row['prints']} times, {said} in the journal")
