"""A trial on a screen and as JSON: the case, what of it may leave, the bytes on the wire, and what was answered."""

from collections.abc import Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from contracts.api import BadField
from contracts.delivery import AwaitingReply, Completed, Outcome, Returned
from contracts.envelope import CaseApplication
from contracts.errors import DeliveryError
from contracts.records import adapter
from hub.recorder import Sent
from hub.trial import Answered, Trial
from hub.wire_text import readable

SIDE_BY_SIDE = 120
"""Columns of a screen on which three texts can be read beside each other."""


def trial_report(
    mistakes: Sequence[BadField], trials: Sequence[Trial], answers: Sequence[Answered]
) -> dict[str, list[dict[str, Any]]]:
    """``form``: what the form refuses; ``trials``: a step each, with fields and bytes (hex and readable); ``answers``: of ``--send``."""
    return {
        "form": [{"pointer": one.pointer, "message": one.message} for one in mistakes],
        "trials": [_trial(one) for one in trials],
        "answers": [
            {"step": one.delivery.step, "row": one.delivery.subject, **_outcome(one.outcome)} for one in answers
        ],
    }


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "step": trial.step,
        "system": trial.system,
        "operation": trial.operation,
        "situation": trial.situation.value,
        "messages": [
            {"row": one.delivery.subject, "fields": one.delivery.fields, "missing": dict(one.missing)}
            for one in trial.messages
        ],
        "error": trial.error,
        "sent": [
            {
                "how": one.how,
                "where": one.where,
                "headers": dict(one.headers),
                "hex": one.body.hex(),
                "readable": readable(one),
            }
            for one in trial.sent
        ],
    }


def _outcome(outcome: Outcome | DeliveryError) -> dict[str, Any]:
    match outcome:
        case Completed():
            return {"outcome": outcome.decision.value, "reply": outcome.fields}
        case Returned():
            return {"outcome": "returned", "reason_code": outcome.reason_code, "wanted": list(outcome.wanted)}
        case AwaitingReply():
            return {"outcome": "awaiting a reply", "department_ref": outcome.department_ref}
    return {"outcome": type(outcome).__name__, "code": outcome.code, "detail": outcome.detail}


def draw(
    console: Console,
    application: CaseApplication,
    mistakes: Sequence[BadField],
    trials: Sequence[Trial],
    answers: Sequence[Answered],
) -> None:
    """All of it for a person; three columns where the screen is wide enough, else one below the other."""
    for one in mistakes:
        console.print(Text(f"the form refuses {one.pointer}: {one.message}", style="red"), soft_wrap=True)
    case = _json(adapter(CaseApplication).dump_python(application, mode="json", exclude_defaults=True))
    for trial in trials:
        console.rule(f"{trial.step}: {trial.system} {trial.operation}, {trial.situation}")
        fields = "\n".join(_json(message.delivery.fields) for message in trial.messages)
        wire = "\n\n".join(_on_the_wire(one) for one in trial.sent) or "(nothing)"
        _columns(console, {"the case": case, "what the department may know": fields, "on the wire": wire})
        for message in trial.messages:
            for field, where in message.missing.items():
                console.print(f"missing: {field}, which comes from {where}: fill it in the case", style="red")
        if trial.error:
            console.print(Text(f"refused: {trial.error}", style="red"), soft_wrap=True)
    for answer in answers:
        row = f", row {answer.delivery.subject}" if answer.delivery.subject else ""
        console.rule(f"answer to {answer.delivery.step}{row}")
        console.print(Text(_json(_outcome(answer.outcome))), soft_wrap=True)


def _columns(console: Console, texts: dict[str, str]) -> None:
    if console.width >= SIDE_BY_SIDE:
        table = Table(expand=True)
        for title in texts:
            table.add_column(title, overflow="fold")
        table.add_row(*(Text(text) for text in texts.values()))
        console.print(table)
        return
    for title, text in texts.items():
        console.print(f"-- {title}", style="bold")
        console.print(Text(text), soft_wrap=True)


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _on_the_wire(sent: Sent) -> str:
    headers = "".join(f"{name}: {value}\n" for name, value in sent.headers.items())
    return f"{sent.how} {sent.where}\n{headers}\n{readable(sent)}"
