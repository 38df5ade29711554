"""Reading scenarios strictly, against a site: what cannot happen there is a mistake, told with file, line, key and what was meant.

``python -m simulators.scenario_files`` writes the JSON Schema that editors complete scenarios by; a test keeps it equal to the records.
"""

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from adapters.file_drop_table import FileDropTable
from adapters.rest_table import RestTable
from contracts.errors import OnedoorError, SiteError, SiteMistake
from contracts.near_names import meant
from contracts.records import adapter
from contracts.schema import DIALECT
from contracts.site import Site, SystemFile, parsed
from contracts.situation import ChannelStatus, Situation
from contracts.toml_lines import Location, line_of
from simulators.clerk_habits import ClerkHabits, contradictions
from simulators.faults import EXCHANGE, KINDS, Fault, Place, place_of
from simulators.file_faults import impossible
from simulators.scenario import (
    Latency,
    Rule,
    Scenario,
    kinds_said,
    latency_contradicts,
    rule_contradicts,
    scenario_text,
)

SHIPPED: Final = Path(str(files("simulators"))) / "scenarios"
SCHEMA: Final = SHIPPED / "scenario.schema.json"


class ScenarioError(OnedoorError):
    """A scenario cannot be used; the text says what to mend, a line for each mistake."""


def shipped() -> Mapping[str, Path]:
    """The scenarios that come along, by the name of their file."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}


def load_scenario(path: Path, site: Site) -> Scenario:
    """Raises ScenarioError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path} cannot be read: {error}; the scenarios that come along are {_names()}") from error
    return read_scenario(text, site, str(path))


def read_scenario(text: str, site: Site, file: str = "scenario") -> Scenario:
    """Raises ScenarioError with every mistake, of form and against the site, in the order in which they stand."""
    try:
        scenario = parsed(file, text, Scenario)
    except SiteError as error:
        raise _wrong([*error.mistakes, *_placed(file, text, _besides(text, site))]) from error
    if mistakes := _placed(file, text, findings(scenario, site)):
        raise _wrong(mistakes)
    return scenario


def _placed(file: str, text: str, found: Iterable[tuple[Location, str]]) -> list[SiteMistake]:
    return [SiteMistake(file, line_of(text, at), ".".join(map(str, at)), said) for at, said in found]


def _wrong(mistakes: list[SiteMistake]) -> ScenarioError:
    return ScenarioError("\n".join(map(str, sorted(mistakes, key=lambda one: one.line))))


def _besides(text: str, site: Site) -> Iterable[tuple[Location, str]]:
    """What else is wrong with a scenario that cannot be read: what does not fit the site, and what nobody looked at because of a key."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    for at, told, of, contradicts in _tables(raw):
        if isinstance(told, dict):
            if _only_keys_are_wrong(of, told):
                yield from ((at, said) for said in contradicts(told))
            yield from _against(site, told, at)


def _tables(raw: Mapping[str, Any]) -> Iterable[tuple[Location, Any, type, Callable[[Mapping[str, Any]], list[str]]]]:
    """The tables of a scenario, the record of each, and what of its keys does not go together."""
    for title, of, contradicts in (("rules", Rule, rule_contradicts), ("latencies", Latency, latency_contradicts)):
        entries = raw.get(title)
        for number, told in enumerate(entries if isinstance(entries, list) else ()):
            yield (title, number), told, of, contradicts
    yield ("clerk",), raw.get("clerk"), ClerkHabits, contradictions


def _only_keys_are_wrong(of: type, told: Mapping[str, Any]) -> bool:
    """Whether single keys are: how they go together has not been looked at then."""
    try:
        adapter(of).validate_python(told)
    except ValidationError as error:
        return all(problem["loc"] for problem in error.errors(include_url=False))
    return False


def checked(scenario: Scenario, site: Site) -> Scenario:
    """One that was put together elsewhere. Raises ScenarioError."""
    mistakes = [f"{'.'.join(map(str, at))}: {message}" for at, message in findings(scenario, site)]
    if mistakes:
        raise ScenarioError("\n".join(mistakes))
    return scenario


def findings(scenario: Scenario, site: Site) -> Iterable[tuple[Location, str]]:
    """What does not fit the site, and where it stands."""
    for title, entries in (("rules", scenario.rules), ("latencies", scenario.latencies)):
        for number, entry in enumerate(entries):
            told = {name: getattr(entry, name, None) for name in ("system", "operation", "fault", "sequence")}
            yield from _against(site, told, (title, number))


def _against(site: Site, told: Mapping[str, Any], at: Location) -> Iterable[tuple[Location, str]]:
    """What of the keys of a rule or a latency does not fit the site, as far as they can be read."""
    systems = {system.key: system for department in site.departments for system in department.systems}
    system, operation = (told[key] if isinstance(told.get(key), str) else None for key in ("system", "operation"))
    if system is not None and system not in systems:
        yield (*at, "system"), f"this site has no system {system}{meant(system, systems)}"
        return
    chosen = [systems[system]] if system else list(systems.values())
    known = {one.key for whose in chosen for one in whose.operations}
    if operation is not None and operation not in known:
        has = f"{system} has no" if system else "no system here has an"
        yield (*at, "operation"), f"{has} operation {operation}{meant(operation, known)}"
        operation = None  # which one was meant is not known: what happens to the system is
    key = "sequence" if told.get("sequence") else "fault"
    for kind, reason in _impossible(kinds_said(told), chosen, system, operation):
        yield (*at, key), f"{kind} never happens to {reason}"


def _impossible(
    kinds: frozenset[Fault], chosen: Sequence[SystemFile], system: str | None, operation: str | None
) -> Iterable[tuple[Fault, str]]:
    can = frozenset[Fault]().union(*(kinds_of(one, operation) for one in chosen))
    where = "/".join(part for part in (system or "any system", operation) if part)
    for kind in sorted(kinds - can):
        if operation and system and kind in kinds_of(chosen[0], None):
            reason = "it takes the whole connection: leave the operation out"
        else:
            reason = f"it is possible for {', '.join(sorted(KINDS[kind].places))}"
        yield kind, f"{where}: {reason}"


def kinds_of(system: SystemFile, operation: str | None) -> frozenset[Fault]:
    """What can happen to a system, or to the messages of one operation, on the channel that sends."""
    sending = next((one for one in system.channels if one.status is ChannelStatus.SENDING), None)
    if sending is None or sending.situation is Situation.PAPER:
        return _at({Place.SHEET})
    whole = {Place.SYSTEM} if operation is None else set[Place]()
    if sending.situation is Situation.FILE_DROP:
        places = EXCHANGE if operation is None else {Place.RECORD, Place.FILE}
        return _at(whole | places) - impossible(FileDropTable.model_validate(dict(sending.file_drop or {})))
    calls_back = sending.rest is not None and RestTable.model_validate(dict(sending.rest)).later_replies == "callback"
    return _at(
        whole
        | {
            place_of(one, calls_back=calls_back)
            for one in system.operations
            if operation in (None, one.key) and Situation.API in one.wire
        }
    )


@cache
def _of_places(places: frozenset[Place]) -> frozenset[Fault]:
    return frozenset(fault for fault, kind in KINDS.items() if kind.places & places)


def _at(places: Iterable[Place]) -> frozenset[Fault]:
    return _of_places(frozenset(places))


def _names() -> str:
    return ", ".join(shipped())


def schema_text() -> str:
    """The JSON Schema of a scenario."""
    schema = adapter(Scenario).json_schema()
    return json.dumps({"$schema": DIALECT, **schema}, ensure_ascii=False, indent=2) + "\n"


def saved(scenario: Scenario) -> str:
    """As a file that editors complete."""
    return "#:schema scenario.schema.json\n" + scenario_text(scenario)


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")
