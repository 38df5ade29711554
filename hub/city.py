"""What a unit of work must know of its city: catalogue, operations, calendar, keys. Nothing here changes while it runs."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any, cast, overload

import jmespath

from contracts.api import BadField
from contracts.catalogue import Column, Item, Operation
from contracts.envelope import CaseApplication
from contracts.errors import OnedoorError
from contracts.handover import Courier
from contracts.records import Fields, record
from contracts.site import Centre
from contracts.situation import Situation
from hub.clock import Calendar
from hub.journal import Journal
from hub.keys import Keys
from hub.routing import Plan, plan

if TYPE_CHECKING:
    from hub.results.beginning import Door

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class NotReceivable(OnedoorError):
    """The item, version, system or operation is not in the catalogue that is in force."""


@record
class SystemFacts:
    """What results and routing need of a system; the open channel itself belongs to its lane.

    ``second_person`` is true when a person must confirm refusals that another person keyed. ``others``: the same facts over
    each further channel, by situation; ``fallbacks``: those of them that a delivery may be sent by, in their declared order.
    ``hand_over_ms``: how long before a delivery's date a person takes over.
    """

    name: str
    department: str
    department_name: str
    operations: Mapping[str, Operation]
    sending: Situation
    resend_is_safe: bool
    can_enquire: bool
    reply_within_ms: int | None
    max_attempts: int
    successor: str | None
    others: Mapping[str, "SystemFacts"] = field(default_factory=dict)
    fallbacks: tuple[str, ...] = ()
    hand_over_ms: int = 0
    courier: Courier | None = None

    def hand_over_at(self, delivery: Mapping[str, Any]) -> int:
        """When (ms) a person takes over a delivery that still tries; never more than half of the time it had, so that it is tried."""
        whole = delivery["send_before"] - delivery["created_at"]
        return int(delivery["send_before"] - min(self.hand_over_ms, max(whole, 0) // 2))

    def over(self, situation: str | None) -> "SystemFacts":
        """The same system reached in ``situation``; None or empty: by its sending channel. One that it does not have any more can
        neither be asked nor trusted with a resend."""
        if not situation or situation == self.sending.value:
            return self
        return self.others.get(situation) or replace(
            self, sending=Situation(situation), resend_is_safe=False, can_enquire=False, reply_within_ms=None
        )


def _no_form(item: Item, application: CaseApplication, day: date) -> tuple[BadField, ...]:
    return ()


@record
class City:
    """The frozen context of every unit of work. ``form_errors`` checks an application as it must be at acceptance (R2).

    ``lanes``: those that run in this process, by system; a unit hands new deliveries over to them. ``random``: of ids and numbers.
    """

    region: str
    timezone: str
    calendar: Calendar
    centres: Mapping[str, Centre]
    items: Mapping[tuple[str, int], Item]
    systems: Mapping[str, SystemFacts]
    keys: Keys
    materials: Mapping[str, str] = field(default_factory=dict)
    form_errors: Callable[[Item, CaseApplication, date], tuple[BadField, ...]] = _no_form
    lanes: "Mapping[str, Door]" = field(default_factory=dict)
    random: Random = field(default_factory=SystemRandom)
    correction_days: int = 30
    archive_after_days: int = 30
    plans: dict[tuple[str, int], Plan] = field(default_factory=dict)

    @property
    def journal(self) -> Journal:
        """How entries of this region's journal are hashed and marked."""
        return self.keys.journal(self.region)

    def item(self, code: str, version: int) -> Item:
        """The item version. Raises NotReceivable."""
        try:
            return self.items[code, version]
        except KeyError as error:
            raise NotReceivable(f"item {code} version {version} is not in the catalogue: import it first") from error

    def plan(self, item: Item) -> Plan:
        """What follows from the version alone, found once."""
        found = self.plans.get((item.code, item.version))
        if found is None or found.item is not item:
            found = self.plans[item.code, item.version] = plan(item)
        return found

    def facts(self, name: str) -> SystemFacts:
        """The system; one that is gone (its plugin is broken or was removed) can neither be asked nor trusted with a resend."""
        try:
            return self.system(name)
        except NotReceivable:
            return SystemFacts(
                name=name,
                department="",
                department_name="",
                operations={},
                sending=Situation.PAPER,
                resend_is_safe=False,
                can_enquire=False,
                reply_within_ms=None,
                max_attempts=1,
                successor=None,
            )

    def system(self, name: str) -> SystemFacts:
        """The system, or the successor that a retired one names. Raises NotReceivable."""
        seen = set()
        while name not in seen:
            seen.add(name)
            found = self.systems.get(name)
            if found is None:
                break
            if found.successor is None:
                return found
            name = found.successor
        raise NotReceivable(f"system {name} is not configured at this site: add its department, or name a successor")

    def operation(self, system: str, operation: str) -> Operation:
        """The operation of a system. Raises NotReceivable."""
        try:
            return self.system(system).operations[operation]
        except KeyError as error:
            raise NotReceivable(f"system {system} has no operation {operation}") from error


@cache
def source(expression: str) -> Callable[[Mapping[str, Any]], Any]:
    """A JMESPath expression, compiled once. Most are plain paths, which need no interpreter (a tenth of the time)."""
    if _PLAIN_PATH.fullmatch(expression):
        return _walk(tuple(expression.split(".")))
    return cast(Callable[[Mapping[str, Any]], Any], jmespath.compile(expression).search)


_PLAIN_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


def _walk(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Any]:
    def walk(context: Mapping[str, Any]) -> Any:
        found: Any = context
        for name in names:
            if not isinstance(found, Mapping):
                return None
            found = found.get(name)
        return found

    return walk


def holds(condition: str | None, context: Mapping[str, Any]) -> bool:
    """Whether a condition is true over the case; no condition is true."""
    return condition is None or bool(source(condition)(context))


def minimised(operation: Operation, context: Mapping[str, Any]) -> Fields:
    """Only the fields and columns of the operation's allow-list; optional ones that are absent are left out."""
    found = {field.name: _only_columns(source(field.source)(context), field.columns) for field in operation.request}
    return {name: value for name, value in found.items() if value is not None}


def _only_columns(value: Any, columns: Sequence[Column]) -> Any:
    """Of the rows of a table, the columns that the operation names, under the names that it gives them."""
    if not columns or not isinstance(value, list):
        return value
    return [_row(line, columns) if isinstance(line, Mapping) else line for line in value]


def _row(line: Mapping[str, Any], columns: Sequence[Column]) -> dict[str, Any]:
    found = {column.name: source(column.source or column.name)(line) for column in columns}
    return {name: cell for name, cell in found.items() if cell is not None}


def milliseconds(at: datetime) -> int:
    """Milliseconds since 1970-01-01 UTC, as the store keeps times."""
    return (at - _EPOCH) // _MILLISECOND


@overload
def moment(at: int) -> datetime: ...
@overload
def moment(at: None) -> None: ...
def moment(at: int | None) -> datetime | None:
    """The aware UTC time of stored milliseconds; None of none."""
    return None if at is None else _EPOCH + at * _MILLISECOND
