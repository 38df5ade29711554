"""What a scope reaches: centres by the row, departments by the item's steps and systems. One rule for the API, pages and lists."""

from collections.abc import Mapping
from typing import Any

from contracts.catalogue import Item
from contracts.records import record
from hub.city import City
from hub.clients import Scope


@record
class TaskLimits:
    """A scope as a list of tasks is asked for. None: no limit of that kind; an empty set: nothing."""

    centres: tuple[str, ...]
    systems: frozenset[str] | None = None
    items: frozenset[str] | None = None


def covers_task(city: City, scope: Scope, row: Mapping[str, Any]) -> bool:
    """Whether a ``task`` row (with its case's ``item``) is in reach: its centre, its item, and its department."""
    if not (scope.covers_centre(row["centre"]) and scope.covers_item(row["item"])):
        return False
    return not scope.departments or not scope.departments.isdisjoint(_departments_of_task(city, row))


def covers_case(city: City, scope: Scope, row: Mapping[str, Any]) -> bool:
    """Whether a ``case_file`` row is in reach: one of its centres, its item, and a department that has a part in it."""
    if not scope.covers_case(row):
        return False
    item = city.items.get((row["item"], row["item_version"]))
    return not scope.departments or (item is not None and not scope.departments.isdisjoint(departments_of(item)))


def departments_of(item: Item) -> frozenset[str]:
    """The owner of an item, and whoever acts in one of its steps."""
    return frozenset({item.owner, *(step.department for step in item.steps if step.department)})


def limits(city: City, scope: Scope) -> TaskLimits:
    """The scope for a query. A department's tasks are those of its systems, and the centre's for items that it owns."""
    centres = tuple(sorted(scope.centres or city.centres))
    items = scope.items or None
    if not scope.departments:
        return TaskLimits(centres=centres, items=items)
    owned = frozenset(item.code for item in city.items.values() if item.owner in scope.departments)
    systems = frozenset(name for name, facts in city.systems.items() if facts.department in scope.departments)
    return TaskLimits(centres=centres, systems=systems, items=owned & items if items else owned)


def _departments_of_task(city: City, row: Mapping[str, Any]) -> frozenset[str]:
    if row["system"] is not None:
        return frozenset({city.facts(row["system"]).department})
    return frozenset(item.owner for (code, _), item in city.items.items() if code == row["item"])
