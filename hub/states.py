"""The state tables as data: what may follow what, in which cause. Whoever moves a row calls ``check`` first.

Cases have more to say (names, clock, events, guards): ``hub.case_states``. ``hub.state_diagrams`` draws all of it for the docs.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum

from contracts.errors import OnedoorError
from contracts.records import record
from hub.case_states import CASE_TRANSITIONS, CaseState


class Machine(StrEnum):
    """What has states."""

    CASE = "case"
    STEP = "step"
    DELIVERY = "delivery"
    ATTEMPT = "attempt"
    TASK = "task"
    BATCH = "batch"
    HANDOVER = "handover"
    HANDOVER_LINE = "handover_line"
    SCAN = "scan"
    SCAN_PAGE = "scan_page"


class DeliveryState(StrEnum):
    """One round of one step's message to one system. Final: done, returned, cancelled."""

    DUE = "due"
    CLAIMED = "claimed"
    SENDING = "sending"
    WAITING = "waiting"
    UNKNOWN = "unknown"
    HELD = "held"
    DONE = "done"
    RETURNED = "returned"
    DEAD = "dead"
    CANCELLED = "cancelled"


class AttemptState(StrEnum):
    """One try; every state but ``started`` is final. ``started`` without a live process behind it is an attempt without outcome."""

    STARTED = "started"
    COMPLETED = "completed"
    AWAITING = "awaiting"
    RETURNED = "returned"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    CREDENTIALS = "credentials"
    UNKNOWN = "unknown"
    BUG = "bug"


class StepState(StrEnum):
    """A node of the case's frozen process. Final: done, skipped, cancelled."""

    BLOCKED = "blocked"
    OPEN = "open"
    DONE = "done"
    RETURNED = "returned"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class SourceMark(StrEnum):
    """How a source stands for the join that waits for it: a mark beside the step's state, never a state of its own.

    A join that goes on without an optional source marks it ``not_answered``; its step stays open and a late answer is recorded.
    """

    ANSWERED = "answered"
    NONE_FOUND = "none_found"
    NOT_ANSWERED = "not_answered"
    SKIPPED = "skipped"


class TaskState(StrEnum):
    """A manual task. Final: completed, skipped, obsolete."""

    READY = "ready"
    RESERVED = "reserved"
    TO_CONFIRM = "to_confirm"
    COMPLETED = "completed"
    SKIPPED = "skipped"
    OBSOLETE = "obsolete"


class BatchState(StrEnum):
    """Deliveries that travel together. Final: closed, rejected."""

    OPEN = "open"
    SEALED = "sealed"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"
    REJECTED = "rejected"


class HandoverState(StrEnum):
    """A handover list. Final: closed, cancelled."""

    OPEN = "open"
    OUT = "out"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class HandoverLineState(StrEnum):
    """A sheet on a handover list. Final: left_behind (it did not go with the list), back."""

    LISTED = "listed"
    OUT = "out"
    BACK = "back"
    LOST = "lost"
    LEFT_BEHIND = "left_behind"


class ScanState(StrEnum):
    """A scanned file. Final: read, refused (nothing can be made of it)."""

    RECEIVED = "received"
    READ = "read"
    REFUSED = "refused"


class ScanPageState(StrEnum):
    """A scanned page. ``odd``: a person has to look at it. Final: matched, dismissed."""

    READ = "read"
    MATCHED = "matched"
    ODD = "odd"
    DISMISSED = "dismissed"


class Cause(StrEnum):
    """Why a transition happens, where the pair of states does not say it."""

    PAUSED = "paused"
    CREDENTIALS = "credentials"
    REPLY = "reply"
    ATTEMPT_COMMITTED = "attempt_committed"
    LEASE_LOST = "lease_lost"
    OUTCOME = "outcome"
    TEMPORARY = "temporary"
    ENQUIRY = "enquiry"
    POSSIBLE_DUPLICATE = "possible_duplicate"
    PERSON = "person"
    TEMPORARY_REPLY = "temporary_reply"
    PERMANENT_REPLY = "permanent_reply"
    CHANNEL_CHANGE = "channel_change"
    OVERDUE = "overdue"
    FORGOTTEN = "forgotten"
    REPLAY = "replay"
    LATE_REPLY = "late_reply"
    NEW_ROUND = "new_round"
    CONFIRMED = "confirmed"
    DECLINED = "declined"
    SECOND_PERSON = "second_person"


@record
class Transition:
    """One legal pair of states of one machine. ``causes`` is empty where the pair says it all; of a case they are its events."""

    machine: Machine
    from_: str
    to: str
    causes: tuple[str, ...] = ()


class IllegalTransition(OnedoorError):
    """A move that the tables do not have: a bug, or two writers that did not see each other."""

    def __init__(self, machine: Machine, from_: str | None, to: str, cause: str = "") -> None:
        """``from_`` is None where a new row should have begun in ``to``."""
        by = f" by {cause}" if cause else ""
        super().__init__(
            f"a {machine} never goes from {from_ or 'nothing'} to {to}{by}: read its state under the lock of its case"
        )
        self.machine, self.from_, self.to, self.cause = machine, from_, to, cause


D, A, T, B, C = DeliveryState, AttemptState, TaskState, BatchState, Cause
P = StepState

# One row a starting state, each target with its causes, as the design states them.
_Table = Mapping[StrEnum, Mapping[StrEnum, tuple[Cause, ...]]]

_ON_REPLY: Mapping[StrEnum, tuple[Cause, ...]] = {
    D.WAITING: (C.REPLY,),
    D.DONE: (C.REPLY,),
    D.RETURNED: (C.REPLY,),
    D.DEAD: (C.REPLY,),
}

_DELIVERY: _Table = {
    D.DUE: {D.CLAIMED: (), D.HELD: (C.PAUSED, C.CREDENTIALS), D.CANCELLED: (), **_ON_REPLY},
    D.CLAIMED: {D.SENDING: (C.ATTEMPT_COMMITTED,), D.DUE: (C.LEASE_LOST,), **_ON_REPLY},
    D.SENDING: {
        D.WAITING: (C.OUTCOME, C.REPLY),
        D.DONE: (C.OUTCOME, C.REPLY),
        D.RETURNED: (C.OUTCOME, C.REPLY),
        D.DUE: (C.TEMPORARY,),
        D.HELD: (C.CREDENTIALS,),
        D.UNKNOWN: (),
        D.DEAD: (C.OUTCOME, C.REPLY),
    },
    D.UNKNOWN: {
        D.WAITING: (C.ENQUIRY, C.REPLY),
        D.DONE: (C.ENQUIRY, C.REPLY),
        D.RETURNED: (C.ENQUIRY, C.REPLY),
        D.DUE: (C.POSSIBLE_DUPLICATE,),
        D.DEAD: (),
        D.CANCELLED: (C.PERSON,),
    },
    D.WAITING: {
        D.DONE: (C.REPLY,),
        D.RETURNED: (C.REPLY,),
        D.DEAD: (C.PERMANENT_REPLY,),
        D.DUE: (C.TEMPORARY_REPLY, C.CHANNEL_CHANGE),
        D.UNKNOWN: (C.OVERDUE, C.FORGOTTEN, C.REPLY),
        D.CANCELLED: (),
    },
    D.HELD: {D.DUE: (), D.CANCELLED: (), **_ON_REPLY},
    D.DEAD: {D.DUE: (C.REPLAY,), D.DONE: (C.LATE_REPLY,), D.RETURNED: (C.LATE_REPLY,), D.CANCELLED: ()},
}

_ATTEMPT: _Table = {A.STARTED: {state: () for state in A if state is not A.STARTED}}

_STEP: _Table = {
    P.BLOCKED: {P.OPEN: (), P.SKIPPED: (), P.CANCELLED: ()},
    P.OPEN: {P.DONE: (), P.RETURNED: (), P.CANCELLED: ()},
    P.RETURNED: {P.OPEN: (C.NEW_ROUND,), P.CANCELLED: ()},
}

_TASK: _Table = {
    T.READY: {T.RESERVED: (), T.SKIPPED: (), T.OBSOLETE: ()},
    T.RESERVED: {T.COMPLETED: (), T.TO_CONFIRM: (C.SECOND_PERSON,), T.READY: (), T.SKIPPED: (), T.OBSOLETE: ()},
    # The second person either agrees, or gives the task back for somebody to do it again.
    T.TO_CONFIRM: {T.COMPLETED: (C.CONFIRMED,), T.READY: (C.DECLINED,), T.OBSOLETE: ()},
}

_BATCH: _Table = {
    B.OPEN: {B.SEALED: ()},
    B.SEALED: {B.SENT: ()},
    # A file may be refused by the acknowledgement itself, or by what comes after it.
    B.SENT: {B.ACKNOWLEDGED: (), B.REJECTED: ()},
    B.ACKNOWLEDGED: {B.CLOSED: (), B.REJECTED: ()},
}

_H, _L, _S, _Q = HandoverState, HandoverLineState, ScanState, ScanPageState

_HANDOVER: _Table = {_H.OPEN: {_H.OUT: (), _H.CANCELLED: ()}, _H.OUT: {_H.CLOSED: ()}}

_HANDOVER_LINE: _Table = {
    _L.LISTED: {_L.OUT: (), _L.LEFT_BEHIND: ()},
    _L.OUT: {_L.BACK: (), _L.LOST: (C.PERSON,)},
    # What was given up for lost may turn up in a drawer.
    _L.LOST: {_L.BACK: ()},
}

_SCAN: _Table = {_S.RECEIVED: {_S.READ: (), _S.REFUSED: ()}}

_SCAN_PAGE: _Table = {
    _Q.READ: {_Q.MATCHED: (), _Q.ODD: ()},
    _Q.ODD: {_Q.MATCHED: (C.PERSON,), _Q.DISMISSED: (C.PERSON,)},
}

STATES: Mapping[Machine, type[StrEnum]] = {
    Machine.CASE: CaseState,
    Machine.STEP: StepState,
    Machine.DELIVERY: DeliveryState,
    Machine.ATTEMPT: AttemptState,
    Machine.TASK: TaskState,
    Machine.BATCH: BatchState,
    Machine.HANDOVER: HandoverState,
    Machine.HANDOVER_LINE: HandoverLineState,
    Machine.SCAN: ScanState,
    Machine.SCAN_PAGE: ScanPageState,
}

INITIAL: Mapping[Machine, StrEnum] = {
    Machine.CASE: CaseState.RECEIVED,
    Machine.STEP: P.BLOCKED,
    Machine.DELIVERY: D.DUE,
    Machine.ATTEMPT: A.STARTED,
    Machine.TASK: T.READY,
    Machine.BATCH: B.OPEN,
    Machine.HANDOVER: HandoverState.OPEN,
    Machine.HANDOVER_LINE: HandoverLineState.LISTED,
    Machine.SCAN: ScanState.RECEIVED,
    Machine.SCAN_PAGE: ScanPageState.READ,
}


def _rows(machine: Machine, table: _Table) -> tuple[Transition, ...]:
    return tuple(
        Transition(machine=machine, from_=from_, to=to, causes=causes)
        for from_, row in table.items()
        for to, causes in row.items()
    )


TRANSITIONS: Mapping[Machine, tuple[Transition, ...]] = {
    # Several events may lead over the same pair of states: the pair is listed once, with all of them.
    Machine.CASE: tuple(
        Transition(
            machine=Machine.CASE,
            from_=from_,
            to=to,
            causes=tuple(row.event for row in CASE_TRANSITIONS if (row.from_, row.to) == (from_, to)),
        )
        for from_, to in dict.fromkeys((row.from_, row.to) for row in CASE_TRANSITIONS)
        if from_ is not None
    ),
    Machine.STEP: _rows(Machine.STEP, _STEP),
    Machine.DELIVERY: _rows(Machine.DELIVERY, _DELIVERY),
    Machine.ATTEMPT: _rows(Machine.ATTEMPT, _ATTEMPT),
    Machine.TASK: _rows(Machine.TASK, _TASK),
    Machine.BATCH: _rows(Machine.BATCH, _BATCH),
    Machine.HANDOVER: _rows(Machine.HANDOVER, _HANDOVER),
    Machine.HANDOVER_LINE: _rows(Machine.HANDOVER_LINE, _HANDOVER_LINE),
    Machine.SCAN: _rows(Machine.SCAN, _SCAN),
    Machine.SCAN_PAGE: _rows(Machine.SCAN_PAGE, _SCAN_PAGE),
}

_LEGAL: dict[tuple[str, str, str], tuple[str, ...]] = {
    (row.machine.value, row.from_, row.to): row.causes for rows in TRANSITIONS.values() for row in rows
}
_FINAL = frozenset(
    (machine.value, state.value)
    for machine, states in STATES.items()
    for state in states
    if not any(row.from_ == state for row in TRANSITIONS[machine])
)

observed: Callable[[str, str, str, str], None] | None = None
"""Set by a test run that records which transitions really happen: called with machine, from, to, cause for every legal one."""


def check(machine: Machine, from_: str | None, to: str, cause: str = "") -> None:
    """The one gate of every move; of a case, ``cause`` is the event. ``from_`` None: a new row begins.

    Raises IllegalTransition for a pair that the tables do not have, and for a cause that the pair does not have.
    """
    if from_ is None:
        if INITIAL[machine] != to:
            raise IllegalTransition(machine, None, to)
        return
    causes = _LEGAL.get((machine, from_, to))
    if causes is None or (cause and causes and cause not in causes):
        raise IllegalTransition(machine, from_, to, cause)
    if observed is not None:
        observed(machine, from_, to, cause)


def is_legal(machine: Machine, from_: str, to: str) -> bool:
    """Whether the tables have the move; asking is not moving, so nothing is observed."""
    return (machine, from_, to) in _LEGAL


def is_final(machine: Machine, state: str) -> bool:
    """Whether nothing leads out of ``state``; a reply that comes then is recorded as late and moves nothing."""
    return (machine, state) in _FINAL
