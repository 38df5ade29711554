"""What a person who runs the hub looks up: the newest cases, one case, what a number belongs to, what is published.

Codes, states and times only. What a department told about a resident is covered: which fields came, not what they say.
"""

from dataclasses import replace
from datetime import datetime

from contracts.api import CaseView
from contracts.records import record
from hub import views
from hub.case_states import CASE_STATES, CaseState
from hub.city import moment
from hub.clients import Client, Scope
from hub.keys import Keys
from hub.store import lookup, registry
from hub.store.connection import Connection

COVERED = "***"

_EVERYTHING = Client(id="local", name="local", scope=Scope(), created_at=0)
"""Whoever may open the database file may look at every case."""


@record
class CaseQuestion:
    """Which cases; empty: all of them."""

    status: str = ""
    item: str = ""
    centre: str = ""
    limit: int = 50


@record
class CaseLine:
    """A case in a list."""

    case_no: str
    item: str
    item_version: int
    status: str
    status_name: str
    flags: tuple[str, ...]
    accepting_centre: str
    received_at: datetime
    due_at: datetime | None


@record
class Belongs:
    """What a number is, and the case it belongs to. ``kind``: case, message, sheet, delivery, task or batch."""

    kind: str
    number: str
    case_no: str
    state: str


@record
class Published:
    """A version of an item. ``digest``: SHA-256 of its canonical content."""

    code: str
    version: int
    digest: str
    loaded_at: datetime


def cases(connection: Connection, region: str, question: CaseQuestion) -> tuple[CaseLine, ...]:
    """The newest first."""
    wanted = {"status": question.status, "item": question.item, "accepting_centre": question.centre}
    rows = lookup.cases(connection, region, {name: value for name, value in wanted.items() if value}, question.limit)
    return tuple(
        CaseLine(
            case_no=row["case_no"],
            item=row["item"],
            item_version=row["item_version"],
            status=row["status"],
            status_name=CASE_STATES[CaseState(row["status"])].name_en,
            flags=tuple(filter(None, row["flags"].split(","))),
            accepting_centre=row["accepting_centre"],
            received_at=moment(row["received_at"]),
            due_at=None if row["due_at"] is None else moment(row["due_at"]),
        )
        for row in rows
    )


def case(connection: Connection, region: str, keys: Keys, case_no: str) -> CaseView:
    """Everything about a case but what departments replied. Raises NotFoundHere."""
    view = views.case_view(connection, region, keys, _EVERYTHING, case_no)
    steps = tuple(
        replace(step, reply=None if step.reply is None else dict.fromkeys(step.reply, COVERED)) for step in view.steps
    )
    return replace(view, steps=steps)


def find(connection: Connection, region: str, number: str) -> tuple[Belongs, ...]:
    """What a number that somebody has in hand belongs to; nothing when nobody knows it."""
    return tuple(Belongs(**row) for row in lookup.belongs_to(connection, region, number.strip()))


def published(connection: Connection, region: str) -> tuple[Published, ...]:
    """Every version of every item, by code and version."""
    rows = sorted(registry.item_digests(connection, region), key=lambda row: (row["code"], row["version"]))
    return tuple(
        Published(code=row["code"], version=row["version"], digest=row["digest"], loaded_at=moment(row["loaded_at"]))
        for row in rows
    )
