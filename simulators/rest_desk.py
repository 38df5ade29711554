"""The desk of a simulated department with an API: acts once for a delivery id, remembers its answer, and keeps the ledger.

Answers are JSON here, whatever the channel makes of them.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import orjson
from pydantic import JsonValue

from adapters.field_map import nested
from contracts.catalogue import Answers, CodeList, Operation, ResultKind
from contracts.site import SystemFile
from contracts.situation import Situation
from simulators.contract_answers import ContractAnswers
from simulators.ledger import Ledger
from simulators.plausible import decide


@dataclass(slots=True, kw_only=True)
class Held:
    """What the department holds of one delivery id; ``settled_at`` in seconds of the loop's clock, None before it acted.

    ``alone_seconds``: its result is to change places with another one, for which it waits so long; ``other``: with which, once known.
    """

    delivery_id: str
    operation: Operation
    digest: str
    answer: bytes
    kind: ResultKind
    acted: asyncio.Event = field(default_factory=asyncio.Event)
    settled_at: float | None = None
    replied: bool = False
    note: str = ""
    alone_seconds: float | None = None
    other: "Held | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a department works: ``seed`` of its decisions, ``shares`` of refusals and returns, seconds until a later answer.

    ``contract``: what answers must look like where the department is made of its contract file alone; a message without a delivery
    id is then a new one.
    ``code``: what it must say to a delivery id, where somebody has told it; None: it decides.
    ``office``: when people who begin at a moment have worked for so many seconds, both of the loop's clock; None: they never rest.
    """

    seed: int
    shares: Mapping[ResultKind, float]
    code_lists: Mapping[str, CodeList]
    reply_delay_seconds: float
    slow_seconds: float
    resend_is_safe: bool
    now: Callable[[], datetime]
    contract: ContractAnswers | None = None
    code: Callable[[str], str | None] = lambda _delivery_id: None
    office: Callable[[float, float], float] | None = None

    def later(self, late_seconds: float = 0.0) -> float:
        """The moment of an answer that comes later, by the loop's clock; ``late_seconds``: later still."""
        began, seconds = _loop_time(), self.reply_delay_seconds + late_seconds
        return self.office(began, seconds) if self.office else began + seconds


NO_EFFECT = frozenset({ResultKind.TEMPORARY, ResultKind.PERMANENT})
"""Answers of a department that did nothing."""


class Desk:
    """All that one department holds. For one event loop."""

    def __init__(
        self,
        system: SystemFile,
        echo: str,
        habits: Habits,
        ledger: Ledger | None,
        keeps_place: Callable[[Operation], None] = lambda _operation: None,
    ) -> None:
        """``echo``: the name under which an answer repeats the delivery id; ``keeps_place``: told of an operation whose result was to
        change places with another, when none came.
        """
        self._system = system
        self._echo = echo
        self._habits = habits
        self._ledger = ledger
        self._held: dict[str, Held] = {}
        self._listed: list[Held] = []
        self._unlisted: dict[str, Held] = {}
        self._keeps_place = keeps_place
        self._alone: Held | None = None

    async def arrived(self, operation: Operation, delivery_id: str, digest: str, note: str) -> None:
        """A message that is not acted on."""
        await self._log(("arrival", delivery_id, operation.key, digest, note))

    def forget(self) -> None:
        """Everything."""
        self._held.clear()
        self._listed.clear()
        self._unlisted.clear()
        self._alone = None

    async def act(
        self,
        operation: Operation,
        rows: Mapping[str, str],
        delivery_id: str,
        digest: str,
        *,
        late_seconds: float = 0.0,
        alone_seconds: float | None = None,
    ) -> Held:
        """Once for a delivery id where sending again is declared safe, each time where it is not. ``rows``: the channel's reply rows;
        ``late_seconds``: until the result, beyond the usual; ``alone_seconds``: it changes places with the next one, if that comes in time.
        """
        known = self._held.get(delivery_id)
        was_busy = known is not None and known.kind is ResultKind.TEMPORARY
        if known is not None and self._habits.resend_is_safe and not was_busy:
            if alone_seconds is not None:
                self._keeps_place(operation)
            await self.arrived(operation, delivery_id, digest, _turned_away(known.kind) or "again")
            await known.acted.wait()
            return known
        answer, kind = self._decided(operation, rows, delivery_id, was_busy=was_busy)
        held = Held(
            delivery_id=delivery_id,
            operation=operation,
            digest=digest,
            answer=answer,
            kind=kind,
            alone_seconds=alone_seconds,
        )
        if alone_seconds is not None:
            self._pair(held)
        self._held[delivery_id] = held
        if known is None or delivery_id in self._unlisted:
            self._unlisted[delivery_id] = held
        entries = [("arrival", delivery_id, operation.key, digest, _turned_away(kind))]
        # The ledger outlives this process: what was done before a restart is not done again.
        done = self._ledger is not None and self._ledger.effects(delivery_id) > 0
        if kind not in NO_EFFECT and not (done and self._habits.resend_is_safe):
            entries.append(("effect", delivery_id, operation.key, digest, ""))
        await self._log(*entries)
        later = operation.answers is Answers.LATER
        held.settled_at = self._habits.later(late_seconds) if later else _loop_time()
        held.acted.set()
        return held

    def _decided(
        self, operation: Operation, rows: Mapping[str, str], delivery_id: str, *, was_busy: bool
    ) -> tuple[bytes, ResultKind]:
        """The result as the channel writes it. A reply row that is more than a path cannot be turned round: its field keeps its name.

        A department that said "try again" takes the message the second time.
        """
        shares = self._habits.shares
        if was_busy:
            shares = {kind: share for kind, share in shares.items() if kind is not ResultKind.TEMPORARY}
        verdict = decide(
            operation,
            Situation.API,
            delivery_id,
            self._habits.seed,
            shares=shares,
            code_lists=self._habits.code_lists,
            code=self._habits.code(delivery_id),
        )
        names = {name: row for name, row in rows.items() if row.replace(".", "_").isidentifier()}
        answer: dict[str, JsonValue] = {names.get(name, name): value for name, value in verdict.fields.items()}
        if verdict.kind is ResultKind.RETURNED:
            answer["reason_code"] = verdict.code
        answer |= {
            self._echo: delivery_id,
            "operation": operation.key,
            "happened_at": self._habits.now().isoformat(),
            self._system.result_field: verdict.code,
        }
        return orjson.dumps(self.shaped(operation, nested(answer), delivery_id)), verdict.kind

    def shaped(
        self, operation: Operation, answer: Mapping[str, JsonValue], delivery_id: str
    ) -> Mapping[str, JsonValue]:
        """The answer as the contract file has it, where there is nothing else to go by."""
        contract = self._habits.contract
        return contract.shaped(operation.key, answer, delivery_id) if contract else answer

    def held(self, delivery_id: str) -> Held | None:
        """What is held under that id."""
        return self._held.get(delivery_id)

    def _pair(self, held: Held) -> None:
        if self._alone is None:
            self._alone = held
        else:
            held.other, self._alone.other, self._alone = self._alone, held, None

    def is_ready(self, held: Held) -> bool:
        """Whether the result may be told; one that changes places with another waits for that."""
        if not _is_settled(held):
            return False
        if held.other is not None:
            return _is_settled(held.other)
        if held.alone_seconds is not None:
            if _loop_time() < (held.settled_at or 0.0) + held.alone_seconds:
                return False
            held.alone_seconds = None
            self._alone = None if self._alone is held else self._alone
            self._keeps_place(held.operation)
        return True

    def told(self, held: Held, *, by_name: bool) -> Held:
        """What is told of a result that is ready: its own; the first time the other's, where it changes places with one.

        ``by_name``: under its own id, as the one row of a list stands in the place of another.
        """
        other, held.other, held.alone_seconds = held.other, None, None
        if other is None:
            return held
        answer = _renamed(other.answer, self._echo, held.delivery_id) if by_name else other.answer
        return replace(other, delivery_id=held.delivery_id, answer=answer, note="swapped", replied=False, other=None)

    def page(self, first: int, limit: int) -> list[Held]:
        """Settled answers in the order in which they were first listed. Behind those that changed places stand the right ones."""
        ready = [held for held in self._unlisted.values() if self.is_ready(held)]
        told = [self.told(held, by_name=True) for held in ready]
        self._listed += [*told, *(held for held, one in zip(ready, told, strict=True) if one is not held)]
        for held in ready:
            del self._unlisted[held.delivery_id]
        return self._listed[first : first + limit]

    async def replied(self, held: Held, note: str = "") -> None:
        """Write the reply and what it says into the ledger, once; before the answer leaves."""
        if not held.replied:
            held.replied = True
            digest = hashlib.sha256(held.answer).hexdigest()
            said = f"{held.kind.value} {note or held.note}".strip()
            await self._log(("reply", held.delivery_id, held.operation.key, digest, said))

    async def _log(self, *entries: tuple[str, str, str, str, str]) -> None:
        if self._ledger is not None and self._ledger.synced:
            await asyncio.to_thread(self._write, self._ledger, entries)
        elif self._ledger is not None:
            # Without a sync there is nothing to wait for, and a thread costs more than the line.
            self._write(self._ledger, entries)

    def _write(self, ledger: Ledger, entries: tuple[tuple[str, str, str, str, str], ...]) -> None:
        for kind, delivery_id, operation, digest, note in entries:
            ledger.write(kind, self._system.key, delivery_id, operation, digest, note)


def _turned_away(kind: ResultKind) -> str:
    """The note on the arrival of a message that is not acted on; blank for the others."""
    return kind.value if kind in NO_EFFECT else ""


def _renamed(answer: bytes, echo: str, delivery_id: str) -> bytes:
    """The same answer under another delivery id. ``echo`` may be a dotted path."""
    whole = orjson.loads(answer)
    *above, name = echo.split(".")
    place = whole
    for part in above:
        place = place.setdefault(part, {})
    place[name] = delivery_id
    return orjson.dumps(whole)


def _is_settled(held: Held) -> bool:
    """Whether there is a result: at once, or when the time for a later answer has passed."""
    return held.settled_at is not None and _loop_time() >= held.settled_at


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
