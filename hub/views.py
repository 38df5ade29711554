"""The read model: what the API tells about a case, for a sender whose scope covers it. Reads only, never moves anything."""

from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

import orjson

from contracts.api import AttemptView, CaseView, DeliveryView, JournalView, StepView, TaskList, TaskView
from contracts.records import Fields
from hub.case_states import CaseState
from hub.city import moment
from hub.clients import Client
from hub.keys import CaseKey, Keys
from hub.results.errors import NotFoundHere
from hub.states import TaskState
from hub.store import reading
from hub.store.connection import Connection, Row

OPEN_TASKS = frozenset({TaskState.READY.value, TaskState.RESERVED.value, TaskState.TO_CONFIRM.value})
"""What the task list shows unless it is asked for a state."""


def case_view(connection: Connection, region: str, keys: Keys, client: Client, case_no: str) -> CaseView:
    """A case as it stands. Raises NotFoundHere also for a case outside the scope: its existence is not told."""
    row = reading.case_row(connection, region, case_no)
    if row is None or not client.scope.covers_case(row):
        raise NotFoundHere(f"there is no case {case_no} here: check the number")
    key = keys.case_key(row["sealed_key"]) if row["sealed_key"] else None
    tries = defaultdict(list)
    for attempt in reading.attempts(connection, region, case_no):
        tries[attempt["delivery"]].append(attempt_view(attempt))
    return CaseView(
        case_no=case_no,
        item=row["item"],
        item_version=row["item_version"],
        status=row["status"],
        status_key=CaseState(row["status"]).name.lower(),
        flags=tuple(filter(None, row["flags"].split(","))),
        received_at=moment(row["received_at"]),
        accepted_at=moment(row["accepted_at"]),
        due_at=moment(row["due_at"]),
        receiving_centre=row["receiving_centre"],
        accepting_centre=row["accepting_centre"],
        paper_holder=row["paper_holder"],
        trace_id=row["trace_id"],
        steps=tuple(_step(step, key) for step in reading.steps(connection, region, case_no)),
        deliveries=tuple(
            _delivery(one, tuple(tries[one["id"]])) for one in reading.deliveries(connection, region, case_no)
        ),
        tasks=tuple(task_view(task) for task in reading.tasks(connection, region, case_no)),
        journal=tuple(line for entry in reading.journal(connection, region, case_no) for line in journal_lines(entry)),
    )


def task_list(
    connection: Connection,
    region: str,
    client: Client,
    *,
    kind: str | None,
    state: str | None,
    system: str | None,
    limit: int,
) -> TaskList:
    """Tasks in the scope, the most urgent first. ``limit`` is at least 1."""
    question = reading.TaskQuestion(
        states=frozenset({state}) if state else OPEN_TASKS,
        centres=client.scope.centres,
        items=client.scope.items,
        kinds=frozenset({kind} if kind else ()),
        systems=frozenset({system} if system else ()),
    )
    rows = reading.find_tasks(connection, region, question, limit + 1)
    return TaskList(tasks=tuple(task_view(row) for row in rows[:limit]), more=len(rows) > limit)


def task_view(row: Row) -> TaskView:
    """A row of ``task`` joined with the version of its sheet."""
    return TaskView(
        id=UUID(row["id"]),
        step=row["step"],
        kind=row["kind"],
        state=row["state"],
        sheet_no=row["sheet_no"],
        sheet_version=row["sheet_version"],
        due_at=moment(row["due_at"]),
        case_no=row["case_no"],
        system=row["system"],
    )


def _step(row: Row, key: CaseKey | None) -> StepView:
    reply: Fields | None = None
    if row["sealed_reply"] is not None and key is not None:
        reply = orjson.loads(key.unseal(row["sealed_reply"], "reply"))
    return StepView(
        id=row["step"],
        kind=row["kind"],
        state=row["mark"] if row["mark"] and row["closed_at"] is None else row["state"],
        decision=row["decision"],
        system=row["system"],
        opened_at=moment(row["opened_at"]),
        closed_at=moment(row["closed_at"]),
        reply=reply,
    )


def _delivery(row: Row, attempts: tuple[AttemptView, ...]) -> DeliveryView:
    return DeliveryView(
        id=UUID(row["id"]),
        step=row["step"],
        subject=row["subject"] or None,
        round=row["round"],
        system=row["system"],
        operation=row["operation"],
        state=row["state"],
        possible_duplicate=bool(row["possible_duplicate"]),
        next_at=moment(row["next_at"]) if row["state"] == "due" else moment(row["lapsed_at"]),
        attempts=attempts,
    )


def attempt_view(row: Row) -> AttemptView:
    """A row of ``attempt``."""
    return AttemptView(
        number=row["number"],
        situation=row["situation"],
        state=row["state"],
        started_at=moment(row["started_at"]),
        ended_at=moment(row["ended_at"]),
        error_code=row["error_code"],
        possible_duplicate=bool(row["possible_duplicate"]),
    )


def journal_lines(row: Row) -> Iterator[JournalView]:
    """The changes of one entry, a line each."""
    for kind, subject, from_state, to_state, _ in orjson.loads(row["changes"]):
        yield JournalView(
            seq=row["seq"],
            at=moment(row["at"]),
            kind=kind,
            subject=subject,
            from_state=from_state,
            to_state=to_state,
            by=row["by"],
            hash=row["hash"],
        )
