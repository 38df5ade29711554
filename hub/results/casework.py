"""A case in the hands of one unit of work: its row locked, its changes journaled and written together.

This module knows how to change a case, step, delivery or task; *whether* to is decided by its neighbours.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import orjson

from contracts.catalogue import Item, Step
from contracts.records import Fields, record
from hub import states
from hub.city import City, moment
from hub.journal import Chain
from hub.keys import CaseKey
from hub.numbers import time_ordered_uuid
from hub.results.beginning import go_at_once
from hub.results.errors import NotFoundHere
from hub.routing import Standing
from hub.store.connection import Connection, Row
from hub.store.tables import CaseFile

FAR = 4_102_444_800_000
"""Milliseconds of the year 2100: "no limit" in a column that must sort."""


@record
class Change:
    """What a unit did. ``wakes``: systems whose lanes have something due, and when (ms). ``verdict``: see its maker."""

    case_no: str
    status: str
    verdict: str = "applied"
    wakes: tuple[tuple[str, int], ...] = ()


_CASE_COLUMNS = ", ".join(str(name) for name in CaseFile.model_fields if name != "sealed_data")
"""What a person handed in is read only when it is needed: it is most of the row."""

_UNTOUCHED: Row = dict.fromkeys(("mark", "decision", "opened_at", "closed_at", "silent_at", "sealed_reply"))

_CLOSING = frozenset({states.StepState.DONE, states.StepState.SKIPPED, states.StepState.CANCELLED})


class Casework:
    """One case inside one unit of work."""

    def __init__(self, connection: Connection, city: City, row: Row, at: int, by: str, *, new: bool = False) -> None:
        """``at``: ms UTC, the time of every change here. ``by``: who causes them (``hub``, a staff or client reference)."""
        self.connection = connection
        self.city = city
        self.row = row
        self.at = at
        self.by = by
        self.case_no: str = row["case_no"]
        self.item: Item = city.item(row["item"], row["item_version"])
        plan = city.plan(self.item)
        self.definitions: Mapping[str, Step] = plan.definitions
        self.early = plan.early
        self.chain = Chain(city.journal, self.case_no, at, new=new)
        self.wakes: dict[str, int] = {}
        self.new = new
        if new:
            self.steps = {}
        self._changed: set[str] = set()
        self._new_steps: dict[str, Row] = {}
        self._new_deliveries: list[tuple[Row, dict[str, Any]]] = []
        self._changed_steps: dict[str, set[str]] = {}

    @classmethod
    def load(cls, connection: Connection, city: City, case_no: str, at: int, by: str) -> "Casework":
        """Lock the case row first (R7), so that parallel parts settle one after the other. Raises NotFoundHere."""
        row = connection.row(
            f"SELECT {_CASE_COLUMNS} FROM case_file WHERE region = :region AND case_no = :case_no",  # noqa: S608 - names of our own columns
            {"region": city.region, "case_no": case_no},
        )
        if row is None:
            raise NotFoundHere(f"there is no case {case_no} here: check the number")
        return cls(connection, city, row, at, by)

    @cached_property
    def key(self) -> CaseKey:
        """The key of the case."""
        return self.city.keys.case_key(self.row["sealed_key"])

    @cached_property
    def data(self) -> dict[str, Any]:
        """Applicant, agent, form and materials."""
        row = self.connection.row(
            "SELECT sealed_data FROM case_file WHERE region = :region AND case_no = :case_no", self._case()
        )
        assert row is not None
        found: dict[str, Any] = orjson.loads(self.key.unseal(row["sealed_data"], "data"))
        return found

    @cached_property
    def steps(self) -> dict[str, Row]:
        """The steps of the case in the order of the item."""
        rows = self.connection.rows(
            "SELECT * FROM case_step WHERE region = :region AND case_no = :case_no ORDER BY position", self._case()
        )
        return {row["step"]: row for row in rows}

    def standing(self) -> dict[str, Standing]:
        """What routing looks at."""
        return {name: Standing(row["state"], row["mark"]) for name, row in self.steps.items()}

    def context(self) -> dict[str, Any]:
        """The roots of conditions and sources (``contracts.catalogue``), without ``joined`` and ``row``."""
        row = self.row
        return {
            **{name: self.data.get(name) for name in ("applicant", "agent", "form")},
            "steps": {
                name: {"outcome": step["decision"] or step["state"], "reply": self.reply_of(step)}
                for name, step in self.steps.items()
                if step["closed_at"] is not None
            },
            "case_no": self.case_no,
            "item_code": row["item"],
            "item_version": row["item_version"],
            "applicant_type": row["applicant_type"],
            "received_at": moment(row["received_at"]).isoformat(),
            "accepted_at": moment(row["accepted_at"]).isoformat() if row["accepted_at"] else None,
            "receiving_centre": row["receiving_centre"],
            "accepting_centre": row["accepting_centre"],
            "paper_holder": row["paper_holder"],
            "channel": row["channel"],
        }

    def reply_of(self, step: Row) -> Fields | None:
        """The department's fields of a finished step."""
        if step["sealed_reply"] is None:
            return None
        found: Fields = orjson.loads(self.key.unseal(step["sealed_reply"], "reply"))
        return found

    def deliveries(self, step: str) -> list[Row]:
        """All deliveries of a step, every round."""
        self._write_deliveries()
        return self.connection.rows(
            "SELECT * FROM delivery WHERE region = :region AND case_no = :case_no AND step = :step ORDER BY round, id",
            {**self._case(), "step": step},
        )

    def all_deliveries(self) -> list[Row]:
        """All deliveries of the case, oldest first. By time: for their ids alone SQLite would walk over the whole table."""
        self._write_deliveries()
        return self.connection.rows(
            "SELECT * FROM delivery WHERE region = :region AND case_no = :case_no ORDER BY created_at, id", self._case()
        )

    def open_tasks(self) -> list[Row]:
        """Manual tasks that still wait for somebody."""
        return self.connection.rows(
            "SELECT * FROM task WHERE region = :region AND case_no = :case_no"
            " AND state IN ('ready', 'reserved', 'to_confirm')",
            self._case(),
        )

    def set(self, **columns: Any) -> None:
        """Change columns of the case row; written by ``save``."""
        self.row.update(columns)
        self._changed.update(columns)

    def log(self, kind: str, subject: str, before: str | None, after: str | None, **codes: Any) -> None:
        """A journal entry of this case."""
        self.chain.add(kind, subject, before, after, codes)

    def add_steps(self, names: frozenset[str], systems: Mapping[str, str]) -> None:
        """Create the named steps, blocked, with the system that each is frozen to (R2)."""
        blocked = states.StepState.BLOCKED.value
        for position, step in enumerate(self.item.steps):
            if step.id in names and step.id not in self.steps:
                row: Row = {
                    "region": self.city.region,
                    "case_no": self.case_no,
                    "step": step.id,
                    "position": position,
                    "kind": step.kind.value,
                    "state": blocked,
                    "system": systems.get(step.id),
                    "operation": step.operation,
                    "round": 0,
                    **_UNTOUCHED,
                }
                self.steps[step.id] = self._new_steps[step.id] = row

    def set_step(self, name: str, state: states.StepState, **columns: Any) -> None:
        """Move a step; closing states stamp their time. Raises IllegalTransition."""
        row = self.steps[name]
        states.check(states.Machine.STEP, row["state"], state)
        self.chain.add("step", name, row["state"], state, _codes(columns))
        columns["state"], columns["closed_at"] = state.value, self.at if state in _CLOSING else None
        self._change_step(name, row, columns)

    def mark_step(self, name: str, **columns: Any) -> None:
        """Change columns of a step that are no change of state; written by ``save``."""
        self._change_step(name, self.steps[name], columns)

    def _change_step(self, name: str, row: Row, columns: Row) -> None:
        row.update(columns)
        if name not in self._new_steps:
            self._changed_steps.setdefault(name, set()).update(columns)

    def set_delivery(self, row: Row, state: states.DeliveryState, cause: str, **columns: Any) -> None:
        """Move a delivery; a settled or cancelled one is due for nothing any more. Raises IllegalTransition."""
        states.check(states.Machine.DELIVERY, row["state"], state)
        self.chain.add("delivery", row["id"], row["state"], state, {"cause": cause, **_codes(columns)})
        if states.is_final(states.Machine.DELIVERY, state):
            columns = {"settled_at": self.at, "lapsed_at": None, **columns}
        if state is not states.DeliveryState.CLAIMED and row["state"] == states.DeliveryState.CLAIMED:
            columns = {"claimed_by": None, "lease_until": None, **columns}
        columns.update(state=state.value, cause=cause)
        row.update(columns)
        self.connection.update("delivery", {"region": self.city.region, "id": row["id"]}, columns)
        if state is states.DeliveryState.DUE:
            self.wake(row["system"], row["next_at"])

    def add_delivery(self, step: str, system: str, operation: str, fields: Fields, **columns: Any) -> str:
        """A new delivery, due now, with the papers of the case. ``columns``: subject, round, supersedes, due_at. Returns its id.

        It is written by ``save``, which hands it over to its lane if there is room.
        """
        delivery = str(time_ordered_uuid(self.at, self.city.random))
        content = orjson.dumps({"fields": fields, "materials": self.papers()})
        row: Row = {
            "region": self.city.region,
            "id": delivery,
            "case_no": self.case_no,
            "step": step,
            "subject": "",
            "round": 1,
            "supersedes": None,
            "system": system,
            "operation": operation,
            "state": states.DeliveryState.DUE.value,
            "possible_duplicate": False,
            "next_at": self.at,
            "send_before": self.send_before(),
            "due_at": self.row["due_at"],
            "attempts": 0,
            "forgiven": 0,
            "unfinished": 0,
            "fence": 0,
            "created_at": self.at,
            "sealed_fields": self.key.seal(content, "fields"),
            **columns,
        }
        self._new_deliveries.append((row, orjson.loads(content)))
        self.log("delivery", delivery, None, "due", step=step, system=system, round=row["round"], row=row["subject"])
        return delivery

    def _write_deliveries(self) -> None:
        for row, _ in self._new_deliveries:
            self.connection.insert("delivery", row)
            if row["state"] == states.DeliveryState.DUE:
                self.wake(row["system"], self.at)
        self._new_deliveries.clear()

    def send_before(self) -> int:
        """No try begins after the statutory date: then a person decides. What starts when it is over has no such limit."""
        due_at = self.row["due_at"]
        return due_at if due_at is not None and due_at > self.at else FAR

    def move_deadlines(self, before: int) -> None:
        """Deliveries that were bound to the old date are bound to the new one."""
        self._write_deliveries()
        self.connection.run(
            "UPDATE delivery SET send_before = :due_at WHERE region = :region AND case_no = :case_no"
            " AND send_before = :before AND settled_at IS NULL",
            {**self._case(), "due_at": self.row["due_at"], "before": before},
        )

    def papers(self) -> list[dict[str, Any]]:
        """The papers of the case as a delivery carries them: by key with size and type where uploaded, by count on paper."""
        found = []
        for material in self.data["materials"]:
            upload = None
            if material["key"]:
                upload = self.connection.row(
                    "SELECT size, media_type FROM material WHERE region = :region AND key = :key",
                    {"region": self.city.region, "key": material["key"]},
                )
            found.append({**material, **(upload or {"size": 0, "media_type": ""})})
        return found

    def add_task(self, kind: str, step: str, centre: str, **columns: Any) -> str:
        """A manual task, ready for anybody of that centre. Returns its id."""
        task = str(time_ordered_uuid(self.at, self.city.random))
        self.connection.insert(
            "task",
            {
                "region": self.city.region,
                "id": task,
                "case_no": self.case_no,
                "step": step,
                "kind": kind,
                "state": states.TaskState.READY.value,
                "centre": centre,
                "due_at": self.row["due_at"],
                "created_at": self.at,
                **columns,
            },
        )
        self.log("task", task, None, "ready", step=step, task=kind)
        return task

    def set_task(self, row: Row, state: states.TaskState, **columns: Any) -> None:
        """Move a manual task. Raises IllegalTransition."""
        states.check(states.Machine.TASK, row["state"], state)
        self.log("task", row["id"], row["state"], state)
        columns["state"] = state.value
        if state in (states.TaskState.COMPLETED, states.TaskState.SKIPPED, states.TaskState.OBSOLETE):
            columns["completed_at"] = self.at
        row.update(columns)
        self.connection.update("task", {"region": self.city.region, "id": row["id"]}, columns)

    def flag(self, name: str, up: bool) -> None:
        """Raise or lower a flag of the case (``returned``, ``blocked`` ..)."""
        flags = self.row["flags"].split(",") if self.row["flags"] else []
        if (name in flags) is not up:
            self.log("flag", name, None, "up" if up else "down")
            self.set(flags=",".join(sorted([*flags, name] if up else [one for one in flags if one != name])))

    def wake(self, system: str, at: int) -> None:
        """Have the lane of a system look at its queue at ``at``, after the commit."""
        self.wakes[system] = min(at, self.wakes.get(system, at))

    def save(self, verdict: str = "applied") -> Change:
        """Write the case row, its steps, its new deliveries and the journal."""
        if self.new:
            self.connection.insert("case_file", self.row)
        elif self._changed:
            self.row["changed_at"] = self.at
            columns = {name: self.row[name] for name in (*self._changed, "changed_at")}
            self.connection.update("case_file", self._case(), columns)
        self.new = False
        self._changed.clear()
        self.connection.insert_many("case_step", list(self._new_steps.values()))
        self._new_steps.clear()
        for name, changed in self._changed_steps.items():
            row = self.steps[name]
            self.connection.update(
                "case_step", {**self._case(), "step": name}, {column: row[column] for column in changed}
            )
        self._changed_steps.clear()
        for row, content in self._new_deliveries:
            go_at_once(self, row, content)
        self._write_deliveries()
        self.chain.write(self.connection, self.by)
        return Change(case_no=self.case_no, status=self.row["status"], verdict=verdict, wakes=tuple(self.wakes.items()))

    def _case(self) -> dict[str, Any]:
        return {"region": self.city.region, "case_no": self.case_no}


def _codes(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Of changed columns, those that belong into the journal: codes, never content."""
    return {name: value for name, value in columns.items() if name in _TOLD and value is not None}


_TOLD = frozenset({"decision", "mark", "error_code", "possible_duplicate", "round", "batch", "situation", "attempt"})
