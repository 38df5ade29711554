"""Statements that only read: one case with everything that belongs to it, the open tasks, counts for the metrics."""

from typing import Any

from contracts.records import record
from hub.case_states import CaseState
from hub.store.connection import Connection, Row


def case_row(connection: Connection, region: str, case_no: str) -> Row | None:
    """The row of a case."""
    return connection.row(
        "SELECT * FROM case_file WHERE region = :region AND case_no = :case_no", {"region": region, "case_no": case_no}
    )


def steps(connection: Connection, region: str, case_no: str) -> list[Row]:
    """The steps of a case in the order of its item."""
    return connection.rows(
        "SELECT * FROM case_step WHERE region = :region AND case_no = :case_no ORDER BY position",
        {"region": region, "case_no": case_no},
    )


def deliveries(connection: Connection, region: str, case_no: str) -> list[Row]:
    """The deliveries of a case, oldest first. By time: for their ids alone SQLite would walk over the whole table."""
    return connection.rows(
        "SELECT * FROM delivery WHERE region = :region AND case_no = :case_no ORDER BY created_at, id",
        {"region": region, "case_no": case_no},
    )


def attempts(connection: Connection, region: str, case_no: str) -> list[Row]:
    """The attempts at all deliveries of a case, through their deliveries, since attempts are found by delivery."""
    return connection.rows(
        # A cross join keeps its order: the planner would begin with the attempts of the whole region.
        "SELECT attempt.* FROM delivery CROSS JOIN attempt WHERE attempt.region = delivery.region"
        " AND attempt.delivery = delivery.id AND delivery.region = :region AND delivery.case_no = :case_no"
        " ORDER BY delivery.created_at, attempt.delivery, attempt.number",
        {"region": region, "case_no": case_no},
    )


def tasks(connection: Connection, region: str, case_no: str) -> list[Row]:
    """The manual tasks of a case with the version of their sheets, oldest first."""
    return connection.rows(
        "SELECT task.*, sheet.version AS sheet_version FROM task"
        " LEFT JOIN sheet ON sheet.region = task.region AND sheet.number = task.sheet_no"
        " WHERE task.region = :region AND task.case_no = :case_no ORDER BY task.created_at, task.id",
        {"region": region, "case_no": case_no},
    )


def journal(connection: Connection, region: str, case_no: str) -> list[Row]:
    """The journal of a case."""
    return connection.rows(
        "SELECT * FROM journal WHERE region = :region AND chain = :chain ORDER BY seq",
        {"region": region, "chain": case_no},
    )


def readings(connection: Connection, region: str, chain: str, by: str, since: int) -> list[Row]:
    """Entries of a chain that one reader has left since a time (ms)."""
    return connection.rows(
        "SELECT changes FROM journal WHERE region = :region AND chain = :chain AND by = :by AND at > :since",
        {"region": region, "chain": chain, "by": by, "since": since},
    )


def newest_entries(connection: Connection, region: str, chain: str, limit: int) -> list[Row]:
    """The last entries of a chain, the newest first."""
    return connection.rows(
        "SELECT * FROM journal WHERE region = :region AND chain = :chain ORDER BY seq DESC LIMIT :limit",
        {"region": region, "chain": chain, "limit": limit},
    )


def task_row(connection: Connection, region: str, task: str) -> Row | None:
    """A manual task by its id, or the newest one of a task sheet by the sheet's number; with its case's item."""
    key = {"region": region, "task": task}
    return connection.row(_TASK_BY_ID, key) or connection.row(_TASK_BY_SHEET, key)


_TASK_BY_ID = (
    "SELECT task.*, case_file.item FROM task"
    " JOIN case_file ON case_file.region = task.region AND case_file.case_no = task.case_no"
    " WHERE task.region = :region AND task.id = :task"
)
_TASK_BY_SHEET = (
    # Through the sheet's delivery: a search by the number in ``task`` would read the whole table.
    "SELECT task.*, case_file.item FROM sheet"
    " JOIN task ON task.region = sheet.region AND task.delivery = sheet.delivery AND task.sheet_no = sheet.number"
    " JOIN case_file ON case_file.region = task.region AND case_file.case_no = task.case_no"
    " WHERE sheet.region = :region AND sheet.number = :task ORDER BY task.created_at DESC, task.id DESC LIMIT 1"
)


@record
class TaskQuestion:
    """Which tasks are asked for; an empty set means all of that kind."""

    states: frozenset[str]
    centres: frozenset[str] = frozenset()
    items: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    systems: frozenset[str] = frozenset()


def find_tasks(connection: Connection, region: str, question: TaskQuestion, limit: int) -> list[Row]:
    """At most ``limit`` tasks, the most urgent first, those without a date last."""
    wanted = {
        "task.state": question.states,
        "task.centre": question.centres,
        "case_file.item": question.items,
        "task.kind": question.kinds,
        "task.system": question.systems,
    }
    parameters: dict[str, Any] = {"region": region, "limit": limit}
    conditions = ""
    for column, values in wanted.items():
        if values:
            named = {f"{column.partition('.')[2]}{index}": value for index, value in enumerate(sorted(values))}
            parameters.update(named)
            conditions += f" AND {column} IN ({', '.join(f':{name}' for name in named)})"
    return connection.rows(
        "SELECT task.*, sheet.version AS sheet_version FROM task"  # noqa: S608 - columns come from the table above
        " JOIN case_file ON case_file.region = task.region AND case_file.case_no = task.case_no"
        " LEFT JOIN sheet ON sheet.region = task.region AND sheet.number = task.sheet_no"
        f" WHERE task.region = :region{conditions}"
        " ORDER BY task.due_at IS NULL, task.due_at, task.id LIMIT :limit",
        parameters,
    )


def case_counts(connection: Connection, region: str) -> list[Row]:
    """Number of cases by status."""
    return connection.rows(
        "SELECT status, count(*) AS number FROM case_file WHERE region = :region GROUP BY status", {"region": region}
    )


def delivery_counts(connection: Connection, region: str) -> list[Row]:
    """Number of deliveries by system and state, and since when (ms) the oldest of them is due."""
    return connection.rows(
        "SELECT system, state, count(*) AS number, min(next_at) AS oldest FROM delivery WHERE region = :region"
        " GROUP BY system, state",
        {"region": region},
    )


def task_counts(connection: Connection, region: str) -> list[Row]:
    """Number of open tasks by kind and state."""
    return connection.rows(
        "SELECT kind, state, count(*) AS number FROM task WHERE region = :region"
        " AND state IN ('ready', 'reserved', 'to_confirm') GROUP BY kind, state",
        {"region": region},
    )


def overdue_sheets(connection: Connection, region: str, now: int) -> list[Row]:
    """Number of open sheet tasks whose time is over, by system. ``now``: ms UTC."""
    return connection.rows(
        "SELECT system, count(*) AS number FROM task WHERE region = :region AND kind = 'sheet'"
        " AND state IN ('ready', 'reserved', 'to_confirm') AND due_at < :now GROUP BY system",
        {"region": region, "now": now},
    )


def held_lanes(connection: Connection, region: str) -> list[Row]:
    """Lanes that are held, and why."""
    return connection.rows(
        "SELECT system, held FROM lane WHERE region = :region AND held IS NOT NULL", {"region": region}
    )


def open_dates(connection: Connection, region: str) -> int:
    """Number of cases whose due date waits for a calendar."""
    row = connection.row(
        "SELECT count(*) AS number FROM case_file WHERE region = :region AND due_open", {"region": region}
    )
    return int(row["number"]) if row else 0


def returned_cases(connection: Connection, region: str, limit: int) -> list[str]:
    """Numbers of the cases that a department gave back and nobody else works on, the oldest first."""
    rows = connection.rows(
        "SELECT case_no FROM case_file WHERE region = :region AND status = :status ORDER BY changed_at, case_no LIMIT :limit",
        {"region": region, "status": CaseState.RETURNED_BY_DEPARTMENT.value, "limit": limit},
    )
    return [row["case_no"] for row in rows]


def running_late(connection: Connection, region: str, system: str, before: int, limit: int) -> list[Row]:
    """Deliveries of a system that wait to be sent and whose date (ms) is before ``before``, nearest first."""
    return connection.rows(
        "SELECT * FROM delivery WHERE region = :region AND system = :system AND state IN ('due', 'held')"
        " AND send_before < :before AND (state = 'due' OR coalesce(cause, '') != 'deadline')"
        " ORDER BY send_before LIMIT :limit",
        {"region": region, "system": system, "before": before, "limit": limit},
    )


def by_sending_channel(
    connection: Connection, region: str, system: str, states: tuple[str, ...], due_before: int | None, limit: int
) -> list[str]:
    """Ids of deliveries in ``states`` that go by the sending channel, oldest first; ``due_before`` (ms): only those with a date before."""
    dated = " AND due_at IS NOT NULL AND due_at < :due_before" if due_before is not None else ""
    # Each part by itself is bounded: what is due is walked over in the order of its index, never gathered and sorted.
    first = f"{dated} ORDER BY next_at, id LIMIT :limit"
    parts = " UNION ALL ".join(f"SELECT id, next_at FROM ({_BY_SENDING_CHANNEL[state]}{first})" for state in states)  # noqa: S608 - constant parts
    rows = connection.rows(
        f"{parts} ORDER BY next_at, id LIMIT :limit",
        {"region": region, "system": system, "due_before": due_before, "limit": limit},
    )
    return [row["id"] for row in rows]


_MINE = " AND region = :region AND system = :system AND via = '' AND coalesce(cause, '') NOT IN ('paused', 'deadline')"
# A partial index is used only where the query repeats its condition in literals.
_BY_SENDING_CHANNEL = {
    "due": f"SELECT id, next_at FROM delivery WHERE state = 'due'{_MINE}",  # noqa: S608 - constant parts
    "held": f"SELECT id, next_at FROM delivery WHERE state = 'held'{_MINE}",  # noqa: S608 - constant parts
    "unknown": f"SELECT id, next_at FROM delivery WHERE state IN ('unknown', 'dead') AND state = 'unknown'{_MINE}",  # noqa: S608 - constant parts
    "waiting": f"SELECT id, next_at FROM delivery WHERE state = 'waiting'{_MINE}",  # noqa: S608 - constant parts
}


def deliveries_after(connection: Connection, region: str, system: str, after: str, limit: int) -> list[Row]:
    """Deliveries of a system that were made after the one with the id ``after``, oldest first, as a gateway needs them."""
    return connection.rows(
        "SELECT delivery.*, case_file.item, case_file.item_version, case_file.accepting_centre, case_file.trace_id,"
        " case_file.sealed_key"
        " FROM delivery JOIN case_file ON case_file.region = delivery.region AND case_file.case_no = delivery.case_no"
        " WHERE delivery.region = :region AND delivery.id > :after AND delivery.system = :system"
        " ORDER BY delivery.id LIMIT :limit",
        {"region": region, "after": after, "system": system, "limit": limit},
    )


def delivery_row(connection: Connection, region: str, delivery: str) -> Row | None:
    """A delivery as a gateway needs it: with item, accepting centre and key of its case, and the situation of its last
    attempt; without its stored payload."""
    return connection.row(
        "SELECT delivery.*, case_file.item, case_file.item_version, case_file.accepting_centre, case_file.trace_id, case_file.sealed_key,"
        " (SELECT situation FROM attempt WHERE attempt.region = delivery.region AND attempt.delivery = delivery.id"
        " AND attempt.number = delivery.attempts) AS reached FROM delivery JOIN case_file ON case_file.region = delivery.region AND case_file.case_no = delivery.case_no"
        " WHERE delivery.region = :region AND delivery.id = :id",
        {"region": region, "id": delivery},
    )
