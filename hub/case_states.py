"""The 16 states of a case 办件 and its 44 transitions, as data; ``hub.states`` checks and draws them with the others.

Codes and names are shown to staff and residents, so they live beside the states that they name. A guard is a key: the
module that moves the case tests it, the text says what it means.
"""

from enum import StrEnum

from contracts.records import record


class CaseState(StrEnum):
    """A state of a case; the value is its code."""

    RECEIVED = "10"
    CORRECTION_REQUESTED = "11"
    NOT_ACCEPTED = "12"
    WITHDRAWN = "13"
    ACCEPTED = "20"
    IN_PROCESS = "30"
    SUSPENDED = "31"
    RETURNED_BY_DEPARTMENT = "32"
    AWAITING_DECISION = "40"
    GRANTED = "50"
    REFUSED = "51"
    VOIDED = "52"
    RETURNED_TO_APPLICANT = "53"
    READY_FOR_COLLECTION = "60"
    DELIVERED = "70"
    ARCHIVED = "80"


class Clock(StrEnum):
    """What the statutory clock does in a state. Stopped is for good."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


class Actor(StrEnum):
    """Who may cause a transition."""

    CENTRE = "centre"
    APPLICANT = "applicant"
    DEPARTMENT = "department"
    HUB = "hub"


class Event(StrEnum):
    """What moves a case. Those that a message may carry are ``contracts.envelope.CaseEventKind``, with the same values."""

    SUBMIT = "submit"
    ACCEPT = "accept"
    DEEMED_ACCEPTED = "deemed_accepted"
    ASK_CORRECTION = "ask_correction"
    REFUSE_ACCEPTANCE = "refuse_acceptance"
    WITHDRAW = "withdraw"
    CORRECTED = "corrected"
    CORRECTION_OVERDUE = "correction_overdue"
    DISPATCH = "dispatch"
    VOID = "void"
    SUSPEND = "suspend"
    RESUME = "resume"
    DEPT_RETURN = "dept_return"
    ALL_JOINED = "all_joined"
    GRANT = "grant"
    REFUSE = "refuse"
    RETURN = "return"
    RESUBMIT = "resubmit"
    RESULT_READY = "result_ready"
    DELIVER = "deliver"
    ARCHIVE = "archive"


class Guard(StrEnum):
    """A condition on a transition beyond its state; see ``GUARD_TEXT``."""

    PAPERS_COMPLETE = "papers_complete"
    NO_NOTICE_IN_TIME = "no_notice_in_time"
    ASKED_ONCE_ONLY = "asked_once_only"
    FIRST_RECEPTION = "first_reception"
    PAUSED_UNTIL_ACCEPT = "paused_until_accept"
    CORRECTION_TERM_OVER = "correction_term_over"
    FIRST_STEP_STARTS = "first_step_starts"
    ENTERED_IN_ERROR = "entered_in_error"
    ONLY_PAUSED_STEPS = "only_paused_steps"
    CAME_FROM_PROCESS = "came_from_process"
    OUTCOME_RETURNED = "outcome_returned"
    BEFORE_DECISION_DONE = "before_decision_done"
    INSTANT_GRANTED = "instant_granted"
    INSTANT_REFUSED = "instant_refused"
    SECOND_PERSON = "second_person"
    OTHER_PROCEDURE = "other_procedure"
    CAME_FROM_DECISION = "came_from_decision"
    COMPLETED_BY_CENTRE = "completed_by_centre"
    NOTICE_BEFORE_DECISION = "notice_before_decision"
    DECIDER_RETURNED = "decider_returned"
    DECIDER_GRANTED = "decider_granted"
    DECIDER_REFUSED = "decider_refused"
    BEFORE_DECISION = "before_decision"


GUARD_TEXT: dict[Guard, str] = {
    Guard.PAPERS_COMPLETE: "papers complete; starts the clock, or resumes it when the case was accepted before",
    Guard.NO_NOTICE_IN_TIME: "first reception only: no notice given within 5 working days of receipt",
    Guard.ASKED_ONCE_ONLY: "first reception: once only",
    Guard.FIRST_RECEPTION: "first reception only",
    Guard.PAUSED_UNTIL_ACCEPT: "the clock stays paused until accept",
    Guard.CORRECTION_TERM_OVER: "correction term is over",
    Guard.FIRST_STEP_STARTS: "first step after acceptance starts",
    Guard.ENTERED_IN_ERROR: "entered in error; a second person confirms",
    Guard.ONLY_PAUSED_STEPS: "a step with clock paused starts and no other step runs the clock, or a special procedure is approved",
    Guard.CAME_FROM_PROCESS: "suspended from 30",
    Guard.OUTCOME_RETURNED: "outcome returned",
    Guard.BEFORE_DECISION_DONE: "every step before the deciding step is done or skipped",
    Guard.INSTANT_GRANTED: "instant case: the deciding step answers at once with granted and no conditional step is open",
    Guard.INSTANT_REFUSED: "instant case: the deciding step answers at once with refused",
    Guard.SECOND_PERSON: "a second person confirms",
    Guard.OTHER_PROCEDURE: "cannot be handled by this procedure",
    Guard.CAME_FROM_DECISION: "suspended from 40",
    Guard.COMPLETED_BY_CENTRE: "papers could be completed without the applicant; all_joined follows at once if nothing else is open",
    Guard.NOTICE_BEFORE_DECISION: "public notice or special procedure while a decision is prepared or before it is delivered",
    Guard.DECIDER_RETURNED: "outcome returned by the deciding department or a later one",
    Guard.DECIDER_GRANTED: "deciding step granted and every step other than delivery is done or skipped",
    Guard.DECIDER_REFUSED: "deciding step refused; steps after it, other than delivery, become obsolete",
    Guard.BEFORE_DECISION: "before a decision is issued",
}


@record
class StateInfo:
    """How a state is called and what the clock does in it. A case in ``terminal`` moves no more."""

    state: CaseState
    key: str
    name_zh: str
    name_en: str
    clock: Clock
    terminal: bool = False


@record
class CaseTransition:
    """One legal move. ``from_`` is None for the entry of a new case."""

    from_: CaseState | None
    to: CaseState
    event: Event
    name_zh: str
    name_en: str
    by: Actor
    guard: Guard | None


def _s(state: CaseState, name_zh: str, name_en: str, clock: Clock, *, terminal: bool = False) -> StateInfo:
    return StateInfo(
        state=state, key=state.name.lower(), name_zh=name_zh, name_en=name_en, clock=clock, terminal=terminal
    )


def _t(
    from_: CaseState | None,
    to: CaseState,
    event: Event,
    name_zh: str,
    name_en: str,
    by: Actor,
    guard: Guard | None = None,
) -> CaseTransition:
    return CaseTransition(from_=from_, to=to, event=event, name_zh=name_zh, name_en=name_en, by=by, guard=guard)


S, E, G = CaseState, Event, Guard
CENTRE, APPLICANT, DEPARTMENT, HUB = Actor.CENTRE, Actor.APPLICANT, Actor.DEPARTMENT, Actor.HUB

CASE_STATES: dict[CaseState, StateInfo] = {
    row.state: row
    for row in (
        _s(S.RECEIVED, "收件", "Received", Clock.PAUSED),
        _s(S.CORRECTION_REQUESTED, "待补正", "Correction requested", Clock.PAUSED),
        _s(S.NOT_ACCEPTED, "不予受理", "Not accepted", Clock.STOPPED),
        _s(S.WITHDRAWN, "已撤回", "Withdrawn", Clock.STOPPED),
        _s(S.ACCEPTED, "受理", "Accepted", Clock.RUNNING),
        _s(S.IN_PROCESS, "办理中", "In process", Clock.RUNNING),
        _s(S.SUSPENDED, "挂起(特别程序、公示)", "Suspended", Clock.PAUSED),
        _s(S.RETURNED_BY_DEPARTMENT, "部门退回", "Returned by department", Clock.RUNNING),
        _s(S.AWAITING_DECISION, "待决定", "Awaiting decision", Clock.RUNNING),
        _s(S.GRANTED, "准予办结", "Completed, granted", Clock.STOPPED),
        _s(S.REFUSED, "不予办结", "Completed, refused", Clock.STOPPED),
        _s(S.VOIDED, "作废办结", "Completed, voided", Clock.STOPPED),
        _s(S.RETURNED_TO_APPLICANT, "退件", "Returned to applicant", Clock.STOPPED),
        _s(S.READY_FOR_COLLECTION, "待领取", "Ready for collection", Clock.STOPPED),
        _s(S.DELIVERED, "已送达", "Delivered", Clock.STOPPED),
        _s(S.ARCHIVED, "已归档", "Archived", Clock.STOPPED, terminal=True),
    )
}

CASE_TRANSITIONS: tuple[CaseTransition, ...] = (
    _t(None, S.RECEIVED, E.SUBMIT, "收件", "Submit", CENTRE),
    _t(S.RECEIVED, S.ACCEPTED, E.ACCEPT, "受理", "Accept", CENTRE, G.PAPERS_COMPLETE),
    _t(S.RECEIVED, S.ACCEPTED, E.DEEMED_ACCEPTED, "视为受理", "Deemed accepted", HUB, G.NO_NOTICE_IN_TIME),
    _t(
        S.RECEIVED,
        S.CORRECTION_REQUESTED,
        E.ASK_CORRECTION,
        "一次性告知补正",
        "Ask for correction",
        CENTRE,
        G.ASKED_ONCE_ONLY,
    ),
    _t(S.RECEIVED, S.NOT_ACCEPTED, E.REFUSE_ACCEPTANCE, "不予受理", "Refuse to accept", CENTRE, G.FIRST_RECEPTION),
    _t(S.RECEIVED, S.WITHDRAWN, E.WITHDRAW, "撤回", "Withdraw", APPLICANT),
    _t(S.CORRECTION_REQUESTED, S.RECEIVED, E.CORRECTED, "补正完成", "Corrected", CENTRE, G.PAUSED_UNTIL_ACCEPT),
    _t(S.CORRECTION_REQUESTED, S.WITHDRAWN, E.WITHDRAW, "撤回", "Withdraw", APPLICANT),
    _t(
        S.CORRECTION_REQUESTED,
        S.WITHDRAWN,
        E.CORRECTION_OVERDUE,
        "逾期未补正视为撤回",
        "Correction overdue",
        HUB,
        G.CORRECTION_TERM_OVER,
    ),
    _t(S.ACCEPTED, S.IN_PROCESS, E.DISPATCH, "转办", "Dispatch", HUB, G.FIRST_STEP_STARTS),
    _t(S.ACCEPTED, S.WITHDRAWN, E.WITHDRAW, "撤回", "Withdraw", APPLICANT),
    _t(S.ACCEPTED, S.VOIDED, E.VOID, "作废", "Void", CENTRE, G.ENTERED_IN_ERROR),
    _t(S.IN_PROCESS, S.SUSPENDED, E.SUSPEND, "挂起", "Suspend", HUB, G.ONLY_PAUSED_STEPS),
    _t(S.SUSPENDED, S.IN_PROCESS, E.RESUME, "恢复计时", "Resume", HUB, G.CAME_FROM_PROCESS),
    _t(
        S.IN_PROCESS,
        S.RETURNED_BY_DEPARTMENT,
        E.DEPT_RETURN,
        "部门退回",
        "Return by department",
        DEPARTMENT,
        G.OUTCOME_RETURNED,
    ),
    _t(S.IN_PROCESS, S.AWAITING_DECISION, E.ALL_JOINED, "汇总完成待决定", "All joined", HUB, G.BEFORE_DECISION_DONE),
    _t(S.IN_PROCESS, S.GRANTED, E.GRANT, "准予", "Grant", HUB, G.INSTANT_GRANTED),
    _t(S.IN_PROCESS, S.REFUSED, E.REFUSE, "不予", "Refuse", HUB, G.INSTANT_REFUSED),
    _t(S.IN_PROCESS, S.WITHDRAWN, E.WITHDRAW, "撤回", "Withdraw", APPLICANT),
    _t(S.IN_PROCESS, S.VOIDED, E.VOID, "作废", "Void", CENTRE, G.SECOND_PERSON),
    _t(S.IN_PROCESS, S.RETURNED_TO_APPLICANT, E.RETURN, "退件", "Return to applicant", CENTRE, G.OTHER_PROCEDURE),
    _t(S.SUSPENDED, S.AWAITING_DECISION, E.RESUME, "恢复计时", "Resume", HUB, G.CAME_FROM_DECISION),
    _t(S.SUSPENDED, S.WITHDRAWN, E.WITHDRAW, "撤回", "Withdraw", APPLICANT),
    _t(S.SUSPENDED, S.VOIDED, E.VOID, "作废", "Void", CENTRE, G.SECOND_PERSON),
    _t(S.RETURNED_BY_DEPARTMENT, S.IN_PROCESS, E.RESUBMIT, "重新转办", "Resubmit", CENTRE, G.COMPLETED_BY_CENTRE),
    _t(S.RETURNED_BY_DEPARTMENT, S.CORRECTION_REQUESTED, E.ASK_CORRECTION, "转申请人补正", "Ask the applicant", CENTRE),
    _t(S.RETURNED_BY_DEPARTMENT, S.WITHDRAWN, E.WITHDRAW, "撤回", "Withdraw", APPLICANT),
    _t(S.RETURNED_BY_DEPARTMENT, S.VOIDED, E.VOID, "作废", "Void", CENTRE, G.SECOND_PERSON),
    _t(S.RETURNED_BY_DEPARTMENT, S.RETURNED_TO_APPLICANT, E.RETURN, "退件", "Return to applicant", CENTRE),
    _t(S.AWAITING_DECISION, S.SUSPENDED, E.SUSPEND, "挂起", "Suspend", HUB, G.NOTICE_BEFORE_DECISION),
    _t(
        S.AWAITING_DECISION,
        S.RETURNED_BY_DEPARTMENT,
        E.DEPT_RETURN,
        "部门退回",
        "Return by department",
        DEPARTMENT,
        G.DECIDER_RETURNED,
    ),
    _t(S.AWAITING_DECISION, S.GRANTED, E.GRANT, "准予", "Grant", HUB, G.DECIDER_GRANTED),
    _t(S.AWAITING_DECISION, S.REFUSED, E.REFUSE, "不予", "Refuse", HUB, G.DECIDER_REFUSED),
    _t(S.AWAITING_DECISION, S.WITHDRAWN, E.WITHDRAW, "撤回", "Withdraw", APPLICANT, G.BEFORE_DECISION),
    _t(S.AWAITING_DECISION, S.VOIDED, E.VOID, "作废", "Void", CENTRE, G.SECOND_PERSON),
    _t(S.GRANTED, S.READY_FOR_COLLECTION, E.RESULT_READY, "制证完成", "Result ready", CENTRE),
    _t(S.GRANTED, S.DELIVERED, E.DELIVER, "当场送达", "Deliver", CENTRE),
    _t(S.READY_FOR_COLLECTION, S.DELIVERED, E.DELIVER, "送达", "Deliver", CENTRE),
    _t(S.REFUSED, S.DELIVERED, E.DELIVER, "送达不予决定", "Deliver the refusal", CENTRE),
    _t(S.DELIVERED, S.ARCHIVED, E.ARCHIVE, "归档", "Archive", HUB),
    _t(S.NOT_ACCEPTED, S.ARCHIVED, E.ARCHIVE, "归档", "Archive", HUB),
    _t(S.WITHDRAWN, S.ARCHIVED, E.ARCHIVE, "归档", "Archive", HUB),
    _t(S.VOIDED, S.ARCHIVED, E.ARCHIVE, "归档", "Archive", HUB),
    _t(S.RETURNED_TO_APPLICANT, S.ARCHIVED, E.ARCHIVE, "归档", "Archive", HUB),
)

_BY_EVENT: dict[tuple[CaseState | None, str], tuple[CaseTransition, ...]] = {}
for _row in CASE_TRANSITIONS:
    _BY_EVENT[_row.from_, _row.event] = (*_BY_EVENT.get((_row.from_, _row.event), ()), _row)


def case_transitions(state: CaseState | None, event: str) -> tuple[CaseTransition, ...]:
    """The moves that ``event`` allows in ``state``: none when it is illegal there.

    Only ``resume`` has two: a suspended case goes back to where it came from.
    """
    return _BY_EVENT.get((state, event), ())
