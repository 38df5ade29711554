"""The journal in words: what an entry of a case says to a person. Codes that have no sentence here are shown as they are."""

from collections.abc import Callable, Mapping

from aiohttp import web

from contracts.api import JournalView
from contracts.catalogue import Item
from contracts.situation import Situation
from hub.case_states import CASE_STATES, CaseState
from hub.readings import What
from hub.states import AttemptState
from hub.web.pages import language_of, text
from hub.web.task_words import STATES
from hub.web.texts import N_

DELIVERY = {
    "due": N_("to be sent"),
    "claimed": N_("taken up"),
    "sending": N_("being sent"),
    "waiting": N_("sent, waits for the answer"),
    "unknown": N_("sent, outcome unknown"),
    "held": N_("held back"),
    "done": N_("answered"),
    "returned": N_("given back by the department"),
    "dead": N_("cannot be delivered"),
    "cancelled": N_("cancelled"),
}
ATTEMPT: dict[str, str] = {
    AttemptState.STARTED: N_("begun, its end is not known yet"),
    AttemptState.COMPLETED: N_("answered"),
    AttemptState.AWAITING: N_("sent, waits for the answer"),
    AttemptState.RETURNED: N_("given back by the department"),
    AttemptState.TEMPORARY: N_("failed, is tried again"),
    AttemptState.PERMANENT: N_("turned away, is not tried again"),
    AttemptState.CREDENTIALS: N_("our credentials were not accepted"),
    AttemptState.UNKNOWN: N_("sent, outcome unknown"),
    AttemptState.BUG: N_("failed by a fault of the program"),
}
SITUATION: dict[str, str] = {
    Situation.API: N_("interface"),
    Situation.FILE_DROP: N_("file exchange"),
    Situation.PAPER: N_("paper"),
}
"""The way that a message to a department took."""

STEP = {
    "blocked": N_("not its turn yet"),
    "open": N_("under way"),
    "done": N_("done"),
    "returned": N_("given back"),
    "skipped": N_("not needed"),
    "cancelled": N_("cancelled"),
    "not_answered": N_("not answered in time"),
}
LINE = {
    "listed": N_("listed"),
    "out": N_("out"),
    "back": N_("back"),
    "lost": N_("lost"),
    "left_behind": N_("stayed behind"),
}
"""A sheet on a handover list."""
READ: dict[str, str] = {
    What.CASE: N_("the case"),
    What.TASK: N_("a task of it"),
    What.DELIVERY: N_("a message to a department"),
    What.READERS: N_("who has read it"),
}
"""What of a case somebody has read."""

_SAYS = {
    "step": N_("Step {subject}: {state}"),
    "delivery": N_("Message to the department: {state}"),
    "task": N_("Task: {state}"),
    "case": N_("Case: {state}"),
    "sheet": N_("Task sheet {subject}, version {state}"),
    "print": N_("Task sheet {subject} printed, print {state}"),
    "reveal": N_("Masked value shown: {subject}"),
    "refused": N_("An attempt was refused"),
    "decision": N_("Decision: {state}"),
    "reply": N_("Answer of the department recorded"),
    "data": N_("Data of the case stored"),
    "flag": N_("Mark {subject}: {state}"),
    "alarm": N_("Alarm: {state}"),
    "handover": N_("Task sheet {subject} on a handover list: {state}"),
    "scan": N_("A scanned page of task sheet {subject} was attached"),
    "attempt": N_("Try at delivery: {state}"),
}


def journal_words(request: web.Request, item: Item | None) -> Callable[[JournalView], str]:
    """The function that a template says an entry of a case with; ``item``: whose steps are named."""
    zh = language_of(request) == "zh"
    steps = {step.id: step.name_zh if zh else step.name_en for step in item.steps} if item is not None else {}

    def says(entry: JournalView) -> str:
        sentence = _SAYS.get(entry.kind)
        if sentence is None:
            return f"{entry.kind} {entry.subject} {entry.to_state or ''}"
        state = _state(request, entry.kind, entry.to_state or "")
        return text(request, sentence, subject=steps.get(entry.subject, entry.subject), state=state)

    return says


def _state(request: web.Request, kind: str, state: str) -> str:
    if kind == "case" and state in set(CaseState):
        info = CASE_STATES[CaseState(state)]
        return info.name_zh if language_of(request) == "zh" else info.name_en
    words = _WORDS.get(kind, {})
    return text(request, words[state]) if state in words else state


_WORDS: Mapping[str, Mapping[str, str]] = {
    "step": STEP,
    "delivery": DELIVERY,
    "attempt": ATTEMPT,
    "task": STATES,
    "handover": LINE,
}
