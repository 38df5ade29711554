"""Reading scenarios strictly, against a site: what cannot happen there is a mistake, told with file, line, key and what was meant.

``python -m simulators.scenario_files`` writes the JSON Schema that editors complete scenarios by; a test keeps it equal to the records.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from adapters.file_drop_table import FileDropTable
from adapters.rest_table import RestTable
from contracts.errors import OnedoorError, SiteError, SiteMistake
from contracts.near_names import meant
from contracts.records import adapter
from contracts.schema import DIALECT
from contracts.site import Site, SystemFile, parsed
from contracts.situation import ChannelStatus, Situation
from contracts.toml_lines import Location, line_of
from simulators.faults import EXCHANGE, KINDS, Fault, Place, place_of
from simulators.file_faults import impossible
from simulators.scenario import Latency, Rule, Scenario, scenario_text

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
    """Raises ScenarioError with every mistake."""
    try:
        scenario = parsed(file, text, Scenario)
    except SiteError as error:
        raise ScenarioError("\n".join(map(str, error.mistakes))) from error
    mistakes = [
        str(SiteMistake(file, line_of(text, at), ".".join(map(str, at)), message))
        for at, message in findings(scenario, site)
    ]
    if mistakes:
        raise ScenarioError("\n".join(mistakes))
    return scenario


def checked(scenario: Scenario, site: Site) -> Scenario:
    """One that was put together elsewhere. Raises ScenarioError."""
    mistakes = [f"{'.'.join(map(str, at))}: {message}" for at, message in findings(scenario, site)]
    if mistakes:
        raise ScenarioError("\n".join(mistakes))
    return scenario


def findings(scenario: Scenario, site: Site) -> Iterable[tuple[Location, str]]:
    """What does not fit the site, and where it stands."""
    systems = {system.key: system for department in site.departments for system in department.systems}
    for number, rule in enumerate(scenario.rules):
        yield from _named(rule, systems, ("rules", number))
    for number, latency in enumerate(scenario.latencies):
        yield from _named(latency, systems, ("latencies", number))
    for number, rule in enumerate(scenario.rules):
        if rule.system is None or rule.system in systems:
            yield from _possible(rule, systems, ("rules", number))


def _named(entry: Rule | Latency, systems: Mapping[str, SystemFile], at: Location) -> Iterable[tuple[Location, str]]:
    if entry.system is not None and entry.system not in systems:
        yield (*at, "system"), f"this site has no system {entry.system}{meant(entry.system, systems)}"
        return
    chosen = [systems[entry.system]] if entry.system else list(systems.values())
    known = {operation.key for system in chosen for operation in system.operations}
    if entry.operation is not None and entry.operation not in known:
        whose = entry.system or "no system here"
        has = "has no" if entry.system else "has an"
        yield (*at, "operation"), f"{whose} {has} operation {entry.operation}{meant(entry.operation, known)}"


def _possible(rule: Rule, systems: Mapping[str, SystemFile], at: Location) -> Iterable[tuple[Location, str]]:
    chosen = [systems[rule.system]] if rule.system else list(systems.values())
    can = frozenset[Fault]().union(*(kinds_of(system, rule.operation) for system in chosen))
    where = "/".join(part for part in (rule.system or "any system", rule.operation) if part)
    for kind in sorted(rule.kinds - can):
        places = ", ".join(sorted(KINDS[kind].places))
        if rule.operation and rule.system and kind in kinds_of(systems[rule.system], None):
            reason = "it takes the whole connection: leave the operation out"
        else:
            reason = f"it is possible for {places}"
        yield (*at, "sequence" if rule.sequence else "fault"), f"{kind} never happens to {where}: {reason}"


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
