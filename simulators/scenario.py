"""A scenario: which faults which departments meet, and when; a TOML file, read strictly, that gives the same faults from the same seed.

name = "A bad Monday"
seed = 7

[[rules]]
system = "DA-archive"
operation = "search"
sequence = "ok, ok, refuse, 503 x3, ok"
repeat = true

[[rules]]
fault = "outage"
system = "GA-hukou"
daily = [22:00:00, 06:00:00]

[[latencies]]
lognormal = { median = 0.3, p99 = 4.0 }

[clerk]
late = 0.2
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, time, timedelta
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field

from contracts.near_names import meant
from contracts.records import record
from simulators.clerk_habits import ClerkHabits
from simulators.faults import KINDS, Fault, Place

STEP: Final = re.compile(r"([A-Za-z0-9_]+)(?:\s*x\s*(\d{1,4}))?")
ALIASES: Final[Mapping[str, Fault]] = {
    "500": Fault.ERROR_500,
    "502": Fault.BAD_GATEWAY_502,
    "503": Fault.UNAVAILABLE_503,
    "504": Fault.GATEWAY_TIMEOUT_504,
    "429": Fault.TOO_MANY_429,
    "401": Fault.UNAUTHORISED_401,
    "403": Fault.FORBIDDEN_403,
}
"""Kinds that may be called by their status."""

OK: Final = "ok"


class Weekday(StrEnum):
    """A day of the week; in order, Monday first."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


def kind_named(text: Any) -> Fault:
    """By name or status. Raises ValueError that says what was meant."""
    name = str(text).strip()
    if name in ALIASES:
        return ALIASES[name]
    try:
        return Fault(name)
    except ValueError:
        raise ValueError(f"there is no fault {name!r}{meant(name, Fault)}") from None


@cache
def steps_of(sequence: str) -> tuple[Fault | None, ...]:
    """What each message meets, None: nothing. Raises ValueError with everything that is no step."""
    steps: list[Fault | None] = []
    wrong: list[str] = []
    for part in sequence.split(","):
        try:
            steps += _step(part.strip())
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError("; ".join(wrong))
    return tuple(steps)


def _step(part: str) -> list[Fault | None]:
    found = STEP.fullmatch(part)
    if found is None:
        raise ValueError(f"{part!r} is no step: write a kind of fault or {OK}, perhaps times: 503 x3")
    return [None if found[1] == OK else kind_named(found[1])] * int(found[2] or 1)


def kinds_said(told: Mapping[str, Any]) -> frozenset[Fault]:
    """The kinds that the keys of a rule name, whatever else is wrong with it."""
    found: set[Fault | None] = set()
    for text in (str(told.get("fault") or OK), *str(told.get("sequence") or OK).split(",")):
        with suppress(ValueError):
            found.update(_step(text.strip()))
    return frozenset(one for one in found if one)


def rule_contradicts(told: Mapping[str, Any]) -> list[str]:
    """Keys of a rule that do not go together."""
    sequence, probability = bool(told.get("sequence")), told.get("probability", 1)
    wrong: list[str] = []
    if (told.get("fault") is None) == (not sequence):
        wrong.append("give either a fault or a sequence")
    if sequence and probability != 1:
        wrong.append("a sequence has no probability: write ok where nothing shall happen")
    if Fault.OUTAGE in kinds_said(told) and (sequence or told.get("operation") or probability != 1):
        wrong.append("an outage takes the whole system: give it a time, not an operation, sequence or probability")
    return wrong


def latency_contradicts(told: Mapping[str, Any]) -> list[str]:
    """Keys of a latency that do not go together."""
    given = sum(told.get(name) is not None for name in ("constant", "uniform", "lognormal"))
    return [] if given == 1 else ["give exactly one of constant, uniform and lognormal"]


def _sequence(text: str) -> str:
    if text:
        steps_of(text)
    return text


def _window(pair: tuple[Any, Any]) -> tuple[Any, Any]:
    if pair[0] == pair[1]:
        raise ValueError("the window begins when it ends")
    return pair


def _rising(pair: tuple[Any, Any]) -> tuple[Any, Any]:
    if pair[0] >= pair[1]:
        raise ValueError("give the earlier one first")
    return pair


def _naive(moment: datetime) -> datetime:
    if moment.tzinfo is not None:
        raise ValueError("give the local time of the site, without a zone")
    return moment


Seconds: TypeAlias = Annotated[float, Field(ge=0, le=86_400)]
Kindly: TypeAlias = Annotated[Fault, BeforeValidator(kind_named)]
Local: TypeAlias = Annotated[datetime, AfterValidator(_naive)]


@record
class Rule:
    """Which messages meet which fault. Omitted ``system`` or ``operation``: every one.

    ``fault`` with a ``probability``, or a ``sequence`` (``repeat``: from the start again). When: ``after`` from one second to another
    since the scenario began, ``between`` two local times, ``daily`` from a time to a time (over midnight too), on ``weekdays``; all that
    are given must hold. A sequence counts only messages that come then. ``seconds``: how long, where the kind has a length.
    """

    system: str | None = None
    operation: str | None = None
    fault: Kindly | None = None
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    sequence: Annotated[str, AfterValidator(_sequence)] = ""
    repeat: bool = False
    seconds: Seconds | None = None
    after: Annotated[tuple[Seconds, Seconds], AfterValidator(_rising)] | None = None
    between: Annotated[tuple[Local, Local], AfterValidator(_rising)] | None = None
    daily: Annotated[tuple[time, time], AfterValidator(_window)] | None = None
    weekdays: tuple[Weekday, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError."""
        names = ("fault", "sequence", "probability", "operation")
        if wrong := rule_contradicts({name: getattr(self, name) for name in names}):
            raise ValueError("; ".join(wrong))

    @property
    def kinds(self) -> frozenset[Fault]:
        """What it may bring."""
        return frozenset({self.fault} if self.fault else {one for one in steps_of(self.sequence) if one})

    @property
    def places(self) -> frozenset[Place]:
        """Where it may."""
        return frozenset(place for kind in self.kinds for place in KINDS[kind].places)

    def is_on(self, local: datetime, elapsed: float) -> bool:
        """Whether its time is now. ``local``: naive time of the site; ``elapsed``: seconds since the scenario began."""
        if self.after and not self.after[0] <= elapsed < self.after[1]:
            return False
        if self.between and not self.between[0] <= local < self.between[1]:
            return False
        day = local
        if self.daily:
            start, end = self.daily
            over_midnight = start > end
            if over_midnight and local.time() < end:
                day = local - timedelta(days=1)  # still the window of the evening before
            elif not (local.time() >= start and (over_midnight or local.time() < end)):
                return False
        return not self.weekdays or list(Weekday)[day.weekday()] in self.weekdays


@record
class Spread:
    """A lognormal distribution by what people measure: half of the answers are faster than ``median``, one in a hundred is slower than ``p99``."""

    median: Annotated[float, Field(gt=0, le=86_400)]
    p99: Annotated[float, Field(gt=0, le=86_400)]

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if self.p99 < self.median:
            raise ValueError("p99 is at least the median")


@record
class Latency:
    """How long a department takes, whatever else goes wrong: seconds, one of the three distributions."""

    system: str | None = None
    operation: str | None = None
    constant: Seconds | None = None
    uniform: Annotated[tuple[Seconds, Seconds], AfterValidator(_rising)] | None = None
    lognormal: Spread | None = None

    def __post_init__(self) -> None:
        """Raises ValueError."""
        names = ("constant", "uniform", "lognormal")
        if wrong := latency_contradicts({name: getattr(self, name) for name in names}):
            raise ValueError("; ".join(wrong))


@record
class Scenario:
    """The whole dial of a site. ``note``: what it is good for, for people; both in Chinese too where somebody has written it."""

    name: str
    name_zh: str = ""
    note: str = ""
    note_zh: str = ""
    seed: int = 1
    rules: tuple[Rule, ...] = ()
    latencies: tuple[Latency, ...] = ()
    clerk: ClerkHabits | None = None


_HEAD: Final = ("name", "name_zh", "note", "note_zh", "seed")


def scenario_text(scenario: Scenario) -> str:
    """As TOML; read again it is equal."""
    lines = [
        f"{key} = {_toml(getattr(scenario, key))}" for key in _HEAD if key == "name" or getattr(scenario, key) != ""
    ]
    for title, entries in (("rules", scenario.rules), ("latencies", scenario.latencies)):
        for entry in entries:
            lines += ["", f"[[{title}]]", *_lines(entry)]
    if scenario.clerk is not None:
        said = scenario.clerk.model_dump()
        usual = ClerkHabits().model_dump()
        told = {name: value for name, value in said.items() if value != usual[name]}
        if "seed" in scenario.clerk.model_fields_set:
            told["seed"] = scenario.clerk.seed
        lines += ["", "[clerk]", *(f"{name} = {_toml(value)}" for name, value in told.items())]
    return "\n".join(lines) + "\n"


def _lines(entry: Rule | Latency) -> Iterator[str]:
    for name in type(entry).__dataclass_fields__:
        value, usual = getattr(entry, name), type(entry).__dataclass_fields__[name].default
        if value != usual:
            yield f"{name} = {_toml(value)}"


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + "".join(_escaped(char) for char in value) + '"'
        case datetime() | time():
            return value.isoformat()
        case tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case Spread():
            return f"{{ median = {_toml(value.median)}, p99 = {_toml(value.p99)} }}"
        case _:
            return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    return char if char.isprintable() else f"\\U{ord(char):08x}"


def for_system(scenario: Scenario, system: str) -> tuple[Sequence[Rule], Sequence[Latency]]:
    """What of it concerns one system."""
    return (
        [one for one in scenario.rules if one.system in (None, system)],
        [one for one in scenario.latencies if one.system in (None, system)],
    )
