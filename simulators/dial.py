"""The fault dial of one system: which misbehaviour, if any, the next message meets, and how long it is kept waiting.

Everything is drawn from the seed and the number of the message, never from the time of day: the same seed and the same sequence of
messages meet the same faults. Rules count for themselves, so that one more rule changes nothing about the others.
"""

import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from contracts.records import record
from simulators.faults import MESSAGES, POSSIBLE, Fault, Place
from simulators.scenario import Latency, Rule, steps_of

KEPT: Final = 500
"""Injected faults that are remembered one by one; counted are all."""

_P99: Final = 2.3263478740408408
"""Standard deviations above the median that one in a hundred exceeds."""


@record
class Met:
    """What a message meets. ``seconds``: how long, where the rule says so."""

    fault: Fault | None = None
    seconds: float | None = None


@record
class Injected:
    """A fault that came, at a time of the city. ``operation`` is blank where a connection or a file carries none, or several."""

    at: datetime
    system: str
    operation: str
    fault: Fault


NOTHING: Final = Met()


class FaultDial:
    """Draws faults. ``counts`` says how often each was injected, ``by_operation`` the same for each operation. Safe for several threads."""

    def __init__(
        self,
        probabilities: Mapping[Fault, float],
        seed: int,
        due: Sequence[Fault] = (),
        *,
        system: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        timezone: str = "Asia/Shanghai",
    ) -> None:
        """Probabilities lie in 0..1 and their sum is at most 1: they hold for every operation, after the rules. ``due``: faults that must
        come, whatever the dice say: at a place in the department's work (known by what is possible there) the first draw gets one, the
        third, and so on. ``now``: the civil clock that schedules follow, in the time of ``timezone``.
        """
        if sum(probabilities.values()) > 1:
            raise ValueError("the probabilities of all faults together must not exceed 1")
        self.probabilities = dict(probabilities)
        self.counts: Counter[Fault] = Counter()
        self.by_operation: Counter[tuple[str, Fault]] = Counter()
        self.injected: deque[Injected] = deque(maxlen=KEPT)
        self.rules: tuple[Rule, ...] = ()
        self.latencies: tuple[Latency, ...] = ()
        self.seed = seed
        self.system = system
        self._random = Random(seed)  # noqa: S311 - a repeatable dial, no secret
        self._due = list(due)
        self._planned = frozenset(due)
        self._draws: Counter[frozenset[Fault]] = Counter()
        self._met: Counter[tuple[Rule | Latency, str]] = Counter()
        self._now, self._zone = now, ZoneInfo(timezone)
        self._began = now()
        self._lock = threading.Lock()

    def turn(self, rules: Sequence[Rule], latencies: Sequence[Latency]) -> None:
        """Set the dial anew. What was there before and stays goes on where it was."""
        with self._lock:
            self.rules, self.latencies = tuple(rules), tuple(latencies)

    def begin(self, rules: Sequence[Rule], latencies: Sequence[Latency], seed: int) -> None:
        """A scenario begins: its rules, its seed, its clock and its numbers from the start."""
        with self._lock:
            self.rules, self.latencies, self.seed = tuple(rules), tuple(latencies), seed
            self._met.clear()
            self._began = self._now()

    def draw(self, among: frozenset[Fault] = frozenset(Fault)) -> Fault | None:
        """The fault for whatever comes next, counted, or None. Only faults in ``among`` can be injected at this point."""
        return self._drawn(among, "", ()).fault

    def meet(self, place: Place, operations: Collection[str] = (), *, without: frozenset[Fault] = frozenset()) -> Met:
        """What the next message, file or connection meets there. ``operations``: which it carries; ``without``: what this department cannot do."""
        # Operations of one system answer in different ways; a rule counts their messages together.
        group = "message" if place in MESSAGES else place.value
        return self._drawn(POSSIBLE[place] - without, group, operations)

    def take_back(self, fault: Fault, operation: str = "") -> None:
        """It did not come about after all: two were needed for it, and nobody else came."""
        with self._lock:
            self.counts[fault] -= 1
            self.by_operation[operation, fault] -= 1
            for one in reversed(self.injected):
                if one.fault is fault and one.operation == operation:
                    self.injected.remove(one)
                    break

    def latency(self, operations: Collection[str] = ()) -> float:
        """Seconds that the next message is kept waiting: of the most special latency that is given for it."""
        with self._lock:
            fitting = [one for one in self.latencies if one.operation is None or one.operation in operations]
            if not fitting:
                return 0.0
            latency = max(fitting, key=lambda one: (one.operation is not None, one.system is not None))
            self._met[latency, ""] += 1
            return _seconds(latency, self._dice(latency.operation, "latency", self._met[latency, ""]))

    @property
    def is_out(self) -> bool:
        """Whether an outage is on now."""
        local, elapsed = self._times()
        return any(Fault.OUTAGE in rule.kinds and rule.is_on(local, elapsed) for rule in self.rules)

    def _times(self) -> tuple[datetime, float]:
        now = self._now()
        return now.astimezone(self._zone).replace(tzinfo=None), (now - self._began).total_seconds()

    def _drawn(self, among: frozenset[Fault], group: str, operations: Collection[str]) -> Met:
        with self._lock:
            met = self._by_rules(among, group, operations)
            if met.fault is None and among & (self.probabilities.keys() | self._planned):
                met = Met(fault=self._by_probability(among))
            if met.fault is not None:
                self._count(met.fault, next(iter(operations)) if len(operations) == 1 else "")
            return met

    def _count(self, fault: Fault, operation: str) -> None:
        self.counts[fault] += 1
        self.by_operation[operation, fault] += 1
        self.injected.append(Injected(at=self._now(), system=self.system, operation=operation, fault=fault))

    def _by_rules(self, among: frozenset[Fault], group: str, operations: Collection[str]) -> Met:
        """The first rule that has a fault for it. Every rule that the message fits counts it, so that each goes its own way."""
        found = NOTHING
        if not self.rules:
            return found
        local, elapsed = self._times()
        for rule in self.rules:
            fits = rule.operation is None or rule.operation in operations
            if not (fits and rule.kinds & among and rule.is_on(local, elapsed)):
                continue
            self._met[rule, group] += 1
            fault = self._falls(rule, group, self._met[rule, group])
            if found.fault is None and fault in among:
                found = Met(fault=fault, seconds=rule.seconds)
        return found

    def _falls(self, rule: Rule, group: str, number: int) -> Fault | None:
        """What the rule has for its message of this number, counted from 1."""
        if rule.sequence:
            steps = steps_of(rule.sequence)
            if rule.repeat:
                return steps[(number - 1) % len(steps)]
            return steps[number - 1] if number <= len(steps) else None
        if rule.probability >= 1:
            return rule.fault
        dice = self._dice(rule.operation, f"{rule.fault}/{group}", number)
        return rule.fault if dice.random() < rule.probability else None

    def _dice(self, operation: str | None, what: str, number: int) -> Random:
        return Random(f"{self.seed}/{self.system}/{operation or '*'}/{what}/{number}")  # noqa: S311 - repeatable

    def _by_probability(self, among: frozenset[Fault]) -> Fault | None:
        dice = self._random.random()
        place = among & self._planned
        self._draws[place] += 1
        planned = next((fault for fault in self._due if fault in among), None) if self._draws[place] % 2 else None
        if planned is not None:
            self._due.remove(planned)
            return planned
        for fault, probability in self.probabilities.items():
            dice -= probability
            if dice < 0:
                return fault if fault in among else None
        return None


def _seconds(latency: Latency, dice: Random) -> float:
    if latency.uniform is not None:
        return dice.uniform(*latency.uniform)
    if latency.lognormal is not None:
        spread = latency.lognormal
        return spread.median * math.exp(math.log(spread.p99 / spread.median) / _P99 * dice.gauss(0.0, 1.0))
    return latency.constant or 0.0
