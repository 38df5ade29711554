"""Statements of the worklist: each reads at most a page of rows, whatever number of tasks waits.

A list over many centres is read centre by centre along the index and merged, since no index orders all of them together. What is
found by case or sheet is ordered by its time, not by its id: for the id alone SQLite would walk over the whole table.
"""

import heapq
from collections.abc import Iterator
from typing import Any

from contracts.records import record
from hub.store.connection import Connection, Row

_ROW = (
    "SELECT task.*, sheet.version AS sheet_version, sheet.prints AS sheet_prints, case_file.item, case_file.item_version,"
    " case_file.status AS case_status, case_file.due_at AS case_due_at, case_file.received_at, case_file.sealed_key,"
    " case_file.sealed_data FROM task"
    " JOIN case_file ON case_file.region = task.region AND case_file.case_no = task.case_no"
    " LEFT JOIN sheet ON sheet.region = task.region AND sheet.number = task.sheet_no"
)


@record
class Question:
    """Tasks in ``state`` of ``centres``; the rest narrows it. ``after``: the date and id of the last row already seen.

    ``systems`` and ``items`` None: no limit; a task passes with one of the systems, or without a system for one of the items.
    """

    state: str
    centres: tuple[str, ...]
    systems: frozenset[str] | None = None
    items: frozenset[str] | None = None
    kind: str | None = None
    system: str | None = None
    due_until: int | None = None
    after: tuple[int | None, str] | None = None


def tasks(connection: Connection, region: str, question: Question, limit: int) -> list[Row]:
    """At most ``limit`` rows, the most urgent first, those without a date last."""
    conditions, values = _narrowed(question)
    values |= {"region": region, "state": question.state, "limit": limit}
    found = heapq.merge(
        *(_of_centre(connection, centre, question, conditions, values, limit) for centre in question.centres),
        key=lambda row: (row["due_at"] is None, row["due_at"] or 0, row["id"]),
    )
    return [row for row, _ in zip(found, range(limit), strict=False)]


def _of_centre(
    connection: Connection, centre: str, question: Question, conditions: str, values: dict[str, Any], limit: int
) -> Iterator[Row]:
    """The rows of one centre, along the index: those with a date, then those without."""
    given = {**values, "centre": centre}
    start = f"{_ROW} WHERE task.region = :region AND task.state = :state AND task.centre = :centre{conditions}"
    last = question.after
    if last is None or last[0] is not None:
        beyond = ""
        if last is not None:
            beyond = " AND (task.due_at, task.id) > (:after_due, :after_id)"
            given |= {"after_due": last[0], "after_id": last[1]}
        yield from connection.rows(
            f"{start} AND task.due_at IS NOT NULL{beyond} ORDER BY task.due_at, task.id LIMIT :limit", given
        )
    beyond = ""
    if last is not None and last[0] is None:
        beyond = " AND task.id > :after_id"
        given |= {"after_id": last[1]}
    if question.due_until is None:
        yield from connection.rows(f"{start} AND task.due_at IS NULL{beyond} ORDER BY task.id LIMIT :limit", given)


def _narrowed(question: Question) -> tuple[str, dict[str, Any]]:
    values: dict[str, Any] = {}
    conditions = ""
    if question.systems is not None or question.items is not None:
        conditions += _reach(question, values)
    for column, value in (("kind", question.kind), ("system", question.system)):
        if value is not None:
            values[column] = value
            conditions += f" AND task.{column} = :{column}"
    if question.due_until is not None:
        values["due_until"] = question.due_until
        conditions += " AND task.due_at <= :due_until"
    return conditions, values


def _reach(question: Question, values: dict[str, Any]) -> str:
    """By department and item. Codes come from the catalogue; they are bound all the same."""

    def listed(name: str, codes: frozenset[str]) -> str:
        named = {f"{name}{index}": code for index, code in enumerate(sorted(codes))}
        values.update(named)
        return ", ".join(f":{key}" for key in named) or "NULL"

    items = listed("item", question.items) if question.items is not None else None
    if question.systems is None:
        return f" AND case_file.item IN ({items})"
    systems = listed("system_", question.systems)
    return f" AND (task.system IN ({systems}) OR (task.system IS NULL AND case_file.item IN ({items or 'NULL'})))"


def count(connection: Connection, region: str, question: Question, most: int) -> int:
    """How many there are, up to ``most``: counting all of very many would cost more than the list itself."""
    conditions, values = _narrowed(question)
    joined = (
        " JOIN case_file ON case_file.region = task.region AND case_file.case_no = task.case_no"
        if "case_file" in conditions
        else ""
    )
    total = 0
    for centre in question.centres:
        row = connection.row(
            f"SELECT count(*) AS number FROM (SELECT 1 FROM task{joined} WHERE task.region = :region"  # noqa: S608 - conditions are built here, values are bound
            f" AND task.state = :state AND task.centre = :centre{conditions} LIMIT :most)",
            {**values, "region": region, "state": question.state, "centre": centre, "most": most - total},
        )
        total += row["number"] if row else 0
        if total >= most:
            break
    return total


def of_person(connection: Connection, region: str, person: str, state: str, limit: int) -> list[Row]:
    """The tasks that a person has in this state, the latest first."""
    return connection.rows(
        f"{_ROW} WHERE task.region = :region AND task.assigned_to = :person AND task.state = :state"
        " ORDER BY task.completed_at DESC, task.id DESC LIMIT :limit",
        {"region": region, "person": person, "state": state, "limit": limit},
    )


def count_of_person(connection: Connection, region: str, person: str, state: str) -> int:
    """How many tasks a person has in this state."""
    row = connection.row(
        "SELECT count(*) AS number FROM task WHERE region = :region AND assigned_to = :person AND state = :state",
        {"region": region, "person": person, "state": state},
    )
    return int(row["number"]) if row else 0


def of_case(connection: Connection, region: str, case_no: str) -> list[Row]:
    """Every task of a case, the latest first."""
    return connection.rows(
        f"{_ROW} WHERE task.region = :region AND task.case_no = :case_no ORDER BY task.created_at DESC, task.id DESC",
        {"region": region, "case_no": case_no},
    )


def one(connection: Connection, region: str, task: str) -> Row | None:
    """A task by its id."""
    return connection.row(f"{_ROW} WHERE task.region = :region AND task.id = :id", {"region": region, "id": task})


def of_sheet(connection: Connection, region: str, number: str) -> Row | None:
    """The newest task of a sheet."""
    return connection.row(
        f"{_ROW} WHERE task.region = :region AND sheet.number = :number AND task.delivery = sheet.delivery"
        " ORDER BY task.created_at DESC, task.id DESC LIMIT 1",
        {"region": region, "number": number},
    )


def returned_steps(connection: Connection, region: str, limit: int) -> list[Row]:
    """Steps that a department has given back, the oldest case first."""
    return connection.rows(
        "SELECT case_step.step, case_step.system, case_step.round, case_file.* FROM case_step"
        " JOIN case_file ON case_file.region = case_step.region AND case_file.case_no = case_step.case_no"
        " WHERE case_step.region = :region AND case_step.state = 'returned' ORDER BY case_file.changed_at LIMIT :limit",
        {"region": region, "limit": limit},
    )
