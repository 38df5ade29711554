"""Step transitions: what opens when its turn has come, and what a settled delivery or task makes of its step."""

from typing import Any

import orjson

from contracts.catalogue import DayType, Operation, Step, StepKind
from contracts.records import Fields
from hub import routing
from hub.city import City, NotReceivable, holds, milliseconds, minimised, moment, source
from hub.clock import due_at
from hub.results import cases
from hub.results.casework import Casework
from hub.states import DeliveryState, SourceMark, StepState
from hub.store.connection import Connection, Row

NO_SYSTEM = "no_system"
"""Flag of a case with a step whose system is not there."""


def advance(work: Casework) -> None:
    """Open or skip every step whose turn has come, again and again until none is left; then look at the case."""
    _open_ready(work)
    status = work.row["status"]
    cases.reconsider(work)
    if work.row["status"] != status and work.row["decision"] == "refused":
        _open_ready(work)  # a refusal has made steps obsolete, which may be all that its service was waiting for


def _open_ready(work: Casework) -> None:
    """Open or skip what may start, and what may start after that; after a refusal only what serves it."""
    context: dict[str, Any] | None = None

    def condition(expression: str | None) -> bool:
        nonlocal context
        if expression is None:
            return True
        context = context or work.context()
        return holds(expression, context)

    def wanted(start: routing.Start) -> bool:
        if work.row["decision"] == "refused" and not routing.serving(start.step):
            return False
        return start.skip or _can_start(work, start.step)

    while starts := list(filter(wanted, routing.ready(work.item, work.standing(), condition))):
        for start in starts:
            if start.skip:
                work.set_step(start.step.id, StepState.SKIPPED)
            else:
                open_step(work, start.step)
        if not any(work.steps[start.step.id]["state"] in routing.PASSED for start in starts):
            return  # only what has passed lets others start
        context = None


def _can_start(work: Casework, step: Step) -> bool:
    """Not while its system is not there (a plugin that cannot be imported): the case waits, and the start that finds it goes on."""
    if step.kind is StepKind.CENTRE:
        return True
    row = work.steps[step.id]
    try:
        work.city.operation(row["system"], row["operation"])
    except NotReceivable:
        work.flag(NO_SYSTEM, up=True)
        return False
    return True


def resume(connection: Connection, city: City, case_no: str, at: int) -> None:
    """A case that waited for a system: go on, as far as it is there now."""
    work = Casework.load(connection, city, case_no, at, "hub")
    work.flag(NO_SYSTEM, up=False)
    advance(work)
    work.save()


def open_step(work: Casework, step: Step) -> None:
    """Open a step: a task for the centre, or the deliveries of a department's operation. Also opens a new round."""
    row = work.steps[step.id]
    columns: dict[str, Any] = {"opened_at": work.at, "round": row["round"] + 1, "decision": None}
    quiet = routing.silent_after_days(work.item, step.id)
    if quiet is not None:
        until = due_at(moment(work.at), quiet, DayType.WORKING, (), work.city.calendar)
        columns["silent_at"] = milliseconds(until) if until else None
    work.set_step(step.id, StepState.OPEN, **columns)
    if step.kind is StepKind.CENTRE:
        centre = work.row["receiving_centre" if step.at == "receiving" else "accepting_centre"]
        work.add_task(step.task or "centre", step.id, centre)
        return
    operation = work.city.operation(row["system"], row["operation"])
    context = work.context()
    if step.join and step.join.collect:
        context["joined"] = joined(work, step)
    if not holds(operation.needs, context):
        work.add_task("decide", step.id, work.row["accepting_centre"], system=row["system"])
        return
    _send(work, step.id, operation, context)


def _send(work: Casework, step: str, operation: Operation, context: dict[str, Any]) -> None:
    """One delivery, or one a row of the repeated table; in a new round only rows that were returned go again."""
    row = work.steps[step]
    latest = latest_rounds(work, step) if row["round"] > 1 else {}
    if operation.repeat is None:
        subjects: list[tuple[str, Any]] = [("", None)]
    else:
        table = source(operation.repeat)(context) or []
        subjects = [(str(number), line) for number, line in enumerate(table, 1)]
    for subject, line in subjects:
        before = latest.get(subject)
        if before is not None and before["state"] == DeliveryState.DONE:
            continue
        fields = minimised(operation, context if line is None else {**context, "row": line})
        work.add_delivery(
            step,
            row["system"],
            row["operation"],
            fields,
            subject=subject,
            round=before["round"] + 1 if before else 1,
            supersedes=before["id"] if before else None,
        )
    if not subjects:
        close_step(work, step, "done", {"rows": []})


def latest_rounds(work: Casework, step: str) -> dict[str, Row]:
    """The newest delivery of every subject of a step."""
    operation = work.steps[step]["operation"]
    return {row["subject"]: row for row in work.deliveries(step) if row["operation"] == operation}


def delivery_settled(work: Casework, delivery: Row, decision: str | None, reply: Fields | None) -> None:
    """A delivery became done or returned: close or return its step when it was the last one open."""
    name = delivery["step"]
    step = work.steps[name]
    if step["state"] != StepState.OPEN:
        return
    if delivery["subject"] == "":
        if step["round"] > 1 and latest_rounds(work, name)[""]["id"] != delivery["id"]:
            return
        if delivery["state"] == DeliveryState.RETURNED:
            return_step(work, name)
        else:
            close_step(work, name, decision or "done", reply or {})
        return
    rows = latest_rounds(work, name)
    if any(row["state"] not in (DeliveryState.DONE, DeliveryState.RETURNED) for row in rows.values()):
        return
    if any(row["state"] == DeliveryState.RETURNED for row in rows.values()):
        return_step(work, name)
        return
    lines = _lines(work, rows)
    kinds = {str(line["status"]) for line in lines}
    close_step(
        work, name, "refused" if "refused" in kinds else kinds.pop() if len(kinds) == 1 else "done", {"rows": lines}
    )


def _lines(work: Casework, rows: dict[str, Row]) -> list[Any]:
    """``{rows: [{subject, status, reply}]}`` of a repeated operation, in the order of the table, as far as it is answered."""
    lines: list[Any] = []
    for subject, row in sorted(rows.items(), key=lambda pair: int(pair[0])):
        stored = work.connection.row(
            "SELECT kind, sealed_body FROM reply WHERE region = :region AND system = :system AND delivery = :delivery"
            " AND verdict = 'applied' AND kind IN ('done', 'granted', 'refused')",
            {"region": work.city.region, "system": row["system"], "delivery": row["id"]},
        )
        reply = orjson.loads(work.key.unseal(stored["sealed_body"], "reply"))["fields"] if stored else None
        status = stored["kind"] if stored else SourceMark.NOT_ANSWERED.value
        lines.append({"subject": subject, "status": status, "reply": reply})
    return lines


def close_step(work: Casework, name: str, decision: str, reply: Fields | None = None) -> None:
    """A step is done; the deciding one decides the case."""
    sealed = work.key.seal(orjson.dumps(reply), "reply") if reply else None
    work.set_step(name, StepState.DONE, decision=decision, sealed_reply=sealed, silent_at=None)
    if name == work.item.decides:
        work.log("decision", name, None, "refused" if decision == "refused" else "granted")
        work.set(decision="refused" if decision == "refused" else "granted")


def return_step(work: Casework, name: str) -> None:
    """部门退回: the step waits for a correction."""
    work.set_step(name, StepState.RETURNED, silent_at=None)


def mark_silent(work: Casework, name: str) -> None:
    """A source stayed silent too long: its join goes on without it, or is blocked. The step stays open for a late answer."""
    work.log("step", name, None, SourceMark.NOT_ANSWERED.value)
    work.mark_step(name, mark=SourceMark.NOT_ANSWERED.value, silent_at=None)


def joined(work: Casework, step: Step) -> list[dict[str, Any]]:
    """One row a source, in the order of ``after``: step, system, status, answered_at, reply. The hub adds nothing up."""
    rows = []
    for name in step.after:
        source = work.steps[name]
        reply = work.reply_of(source) or _so_far(work, source)
        rows.append(
            {
                "step": name,
                "system": source["system"],
                "status": _source_status(source, reply).value,
                "answered_at": moment(source["closed_at"]).isoformat() if source["closed_at"] else None,
                "reply": reply,
            }
        )
    return rows


def _so_far(work: Casework, source: Row) -> Fields | None:
    """What a silent source has said of some rows of its table."""
    if source["state"] != StepState.OPEN or source["operation"] is None:
        return None
    rows = latest_rounds(work, source["step"])
    lines = [] if "" in rows else _lines(work, rows)
    return {"rows": lines} if any(line["reply"] is not None for line in lines) else None


def _source_status(source: Row, reply: Fields | None) -> SourceMark:
    if source["state"] == StepState.SKIPPED:
        return SourceMark.SKIPPED
    if source["state"] != StepState.DONE:
        return SourceMark.NOT_ANSWERED
    lines = (reply or {}).get("rows")
    replies = [line["reply"] for line in lines if isinstance(line, dict)] if isinstance(lines, list) else [reply or {}]
    nothing = bool(replies) and all(isinstance(one, dict) and one.get("found") is False for one in replies)
    return SourceMark.NONE_FOUND if nothing else SourceMark.ANSWERED
