"""What the pages and the API show: plain values, made from what the departments keep. Nothing here knows a person: ledgers hold ids,
codes and digests."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from contracts.records import adapter
from contracts.situation import Situation
from simulators.control.board import Board
from simulators.departments import Running
from simulators.dial import Injected
from simulators.faults import KINDS, Fault, Place, place_of
from simulators.rest import RestDepartment
from simulators.scenario import Latency, Rule
from simulators.scenario_files import kinds_of

COUNTED = {
    "arrivals": "arrival",
    "effects": "effect",
    "replies": "reply",
    "again": "again",
    "rejected": "rejected",
    "doubled": "doubled",
}
"""What is shown, and what the ledger calls it."""


def system_view(board: Board, running: Running) -> dict[str, Any]:
    """One department's system."""
    system, dial = running.system, running.dial
    rules, latencies = board.dialled(system.key, None)
    department = next(one for one in board.city.site.departments if system in one.systems)
    return {
        "key": system.key,
        "name_zh": system.name_zh,
        "name_en": system.name_en,
        "department": {"code": department.code, "name_zh": department.name_zh, "name_en": department.name_en},
        "situation": running.situation.value,
        "protocol": running.protocol,
        "address": running.address,
        "open": running.is_open,
        "stopped": running.stopped,
        "outage": dial.is_out,
        "blocked": board.blocked.get(system.key, ""),
        "counts": counts_of(running, None),
        "faults": faults_of(dial.counts),
        "rules": [rule_view(one) for one in rules],
        "latencies": [latency_view(one) for one in latencies],
        "kinds": [fault.value for fault in _sorted(kinds_of(system, None))],
        "operations": [operation_view(board, running, one) for one in carried(running)],
    }


def operation_view(board: Board, running: Running, operation: str) -> dict[str, Any]:
    """One operation of it."""
    rules, latencies = board.dialled(running.system.key, operation)
    known = next(one for one in running.system.operations if one.key == operation)
    calls_back = isinstance(running.software, RestDepartment) and running.software.caller is not None
    place = Place.FILE if running.situation is Situation.FILE_DROP else place_of(known, calls_back=calls_back)
    counted = {fault: number for (whose, fault), number in running.dial.by_operation.items() if whose == operation}
    return {
        "key": operation,
        "name_zh": known.name_zh,
        "name_en": known.name_en,
        "answers": place.value,
        "counts": counts_of(running, operation),
        "faults": faults_of(Counter(counted)),
        "rules": [rule_view(one) for one in rules],
        "latencies": [latency_view(one) for one in latencies],
        "kinds": [fault.value for fault in _sorted(kinds_of(running.system, operation))],
    }


def carried(running: Running) -> Sequence[str]:
    """The operations that this channel carries."""
    return [one.key for one in running.system.operations if running.situation in one.wire]


def counts_of(running: Running, operation: str | None) -> dict[str, int]:
    """What came and what was done, of one operation or of all."""
    tally = dict(running.ledger.tally)
    return {
        shown: sum(number for (whose, kind), number in tally.items() if kind == name and operation in (None, whose))
        for shown, name in COUNTED.items()
    }


def faults_of(counts: Mapping[Fault, int]) -> dict[str, int]:
    """Injected faults by kind, those that came."""
    return {fault.value: counts[fault] for fault in KINDS if counts.get(fault, 0) > 0}


def rule_view(rule: Rule) -> dict[str, Any]:
    """As JSON, and in the API's own form; what is as usual is left out."""
    return _plain(rule)


def latency_view(latency: Latency) -> dict[str, Any]:
    """The same."""
    return _plain(latency)


def _plain(entry: Rule | Latency) -> dict[str, Any]:
    told: dict[str, Any] = adapter(type(entry)).dump_python(entry, mode="json", exclude_defaults=True)
    return told


def kind_view(fault: Fault) -> dict[str, Any]:
    """A row of the table of kinds."""
    kind = KINDS[fault]
    return {
        "kind": fault.value,
        "name_zh": kind.name[0],
        "name_en": kind.name[1],
        "does_zh": kind.does[0],
        "does_en": kind.does[1],
        "places": sorted(place.value for place in kind.places),
        "acts": kind.acts,
        "seconds": kind.seconds,
    }


def injected_view(one: Injected) -> dict[str, str]:
    """One fault that came."""
    return {"at": one.at.isoformat(), "system": one.system, "operation": one.operation, "fault": one.fault.value}


def injected(board: Board, system: str | None, limit: int) -> list[dict[str, str]]:
    """The latest faults, newest first."""
    dials = [one.dial for one in board.departments.values() if system in (None, one.system.key)]
    found = sorted((one for dial in dials for one in list(dial.injected)), key=_at, reverse=True)
    return [injected_view(one) for one in found[:limit]]


def _at(one: Injected) -> datetime:
    return one.at


def ledger_page(running: Iterable[Running], *, wanted: Mapping[str, str], after: int, limit: int) -> dict[str, Any]:
    """Entries in the order of the ledgers, each with its number; ``wanted``: what a key must be. ``next`` is where the next page begins."""
    numbered = enumerate(entry for one in running for entry in one.ledger.entries())
    fitting = (
        (number, entry)
        for number, entry in numbered
        if number >= after and all(entry.get(key) == value for key, value in wanted.items())
    )
    page = list(islice(fitting, limit))
    entries = [{"number": number, **entry} for number, entry in page]
    return {"entries": entries, "next": page[-1][0] + 1 if len(page) == limit else None}


def _sorted(faults: Iterable[Fault]) -> list[Fault]:
    found = frozenset(faults)
    return [fault for fault in KINDS if fault in found]
