"""When to try again, or whom to hand over to: pure, from what went wrong, the history and the deadline.

tenacity computes the backoff; the hub stores the time that comes out and nobody sleeps. Full jitter: the wait is drawn between nothing and
an exponentially growing, capped bound, so that ten thousand deliveries do not come back in the same second.

    temporary      the department did not act        due again, or dead after ``max_attempts``
    unknown        bytes may have arrived            enquire, else resend where that is safe, else a person
    duplicate      it says that it has the record    ask for, or wait for, the first record's result; permanent on a clean first try
    permanent      the message itself was rejected   dead at once
    credentials    login or certificate refused      held until staff act
    bug            anything else                     may have come after the bytes: as unknown, but few tries, then dead

Nothing is scheduled at or after ``hand_over_at``: a person gets it while there is still time. A wait that would end later is shortened
to one last try before that, if the system is open then.
"""

import math
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum

from tenacity import RetryCallState, Retrying
from tenacity.wait import wait_exponential

from contracts.delivery import Lookup
from contracts.errors import CredentialsError, DuplicateError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.records import record
from hub.states import DeliveryState


class ErrorClass(StrEnum):
    """What an exception out of a gateway means for the delivery."""

    TEMPORARY = "temporary"
    UNKNOWN = "unknown"
    DUPLICATE = "duplicate"
    PERMANENT = "permanent"
    CREDENTIALS = "credentials"
    BUG = "bug"


class Why(StrEnum):
    """The reason beside a state: a key for pages and metrics."""

    BACKOFF = "backoff"
    RETRY_AFTER = "retry_after"
    RESEND = "resend"
    ENQUIRE = "enquire"
    FIRST_RECORD = "first_record"
    PERSON = "person"
    DEADLINE = "deadline"
    PERMANENT = "permanent"
    CREDENTIALS = "credentials"
    MAX_ATTEMPTS = "max_attempts"
    POISON = "poison"
    BUG = "bug"


@record
class Policy:
    """Seconds of the civil clock, and counts. The first wait is drawn from 0 to ``first_seconds``, then the bound doubles."""

    first_seconds: float = 2.0
    longest_seconds: float = 1800.0
    longest_retry_after_seconds: float = 3600.0
    max_attempts: int = 12
    bug_attempts: int = 3
    poison_attempts: int = 3


@record
class History:
    """What is known of a delivery when an attempt or an enquiry has ended.

    ``attempts`` made so far, the one that just ended included; ``bugs``: how many of them ended as a bug; ``without_outcome``: how many
    a dying process left behind. ``possible_duplicate``: the attempt carried that mark. ``enquiries`` since the last attempt.
    ``hand_over_at``: when a person takes over, if that is sooner than ``send_before``. ``via``: the fallback channel it goes by.
    """

    attempts: int
    bugs: int = 0
    without_outcome: int = 0
    enquiries: int = 0
    possible_duplicate: bool = False
    resend_is_safe: bool
    can_enquire: bool
    send_before: datetime
    hand_over_at: datetime | None = None
    via: str = ""

    @property
    def last_moment(self) -> datetime:
        """Before it the hub tries by itself."""
        return min(self.hand_over_at, self.send_before) if self.hand_over_at else self.send_before


@record
class Next:
    """What becomes of the delivery.

    ``state`` is where it rests. ``at``: when it is tried (due), asked about (unknown, why enquire), else None: a person acts.
    ``possible_duplicate``: any later try must carry the mark. A resend after ``unknown`` rests in due; it passes through unknown.
    """

    state: DeliveryState
    at: datetime | None
    why: Why
    possible_duplicate: bool = False


# The most specific class first.
_CLASSES: tuple[tuple[type[Exception], ErrorClass], ...] = (
    (TemporaryError, ErrorClass.TEMPORARY),
    (OutcomeUnknownError, ErrorClass.UNKNOWN),
    (DuplicateError, ErrorClass.DUPLICATE),
    (PermanentError, ErrorClass.PERMANENT),
    (CredentialsError, ErrorClass.CREDENTIALS),
)

_NEVER_CALLED = Retrying()
_USUAL = Policy()


def _always_open(at: datetime) -> datetime:
    return at


def classify(error: BaseException) -> ErrorClass:
    """The class of whatever a gateway raised."""
    return next((kind for of, kind in _CLASSES if isinstance(error, of)), ErrorClass.BUG)


def backoff_seconds(tries: int, policy: Policy, source: random.Random) -> float:
    """The wait after so many tries (1 or more)."""
    # tenacity's own jitter draws from the global source, which cannot be seeded for one hub alone.
    state = RetryCallState(_NEVER_CALLED, None, (), {})
    state.attempt_number = tries
    bound = wait_exponential(multiplier=policy.first_seconds, max=policy.longest_seconds)
    return source.uniform(0.0, bound(state))


def after_attempt(
    error: BaseException | None,
    history: History,
    now: datetime,
    source: random.Random,
    policy: Policy = _USUAL,
    next_open: Callable[[datetime], datetime] = _always_open,
) -> Next:
    """What follows an attempt that raised ``error``; None: its process died and left it without outcome.

    ``next_open`` moves a time into the system's opening hours.
    """
    ask = _Ask(history=history, now=now, source=source, policy=policy, next_open=next_open)
    if error is None:
        return _crashed(ask)
    if isinstance(error, TemporaryError):
        return _temporary(ask, error.retry_after)
    return _AFTER[classify(error)](ask)


def after_enquiry(
    found: Lookup | BaseException,
    history: History,
    now: datetime,
    source: random.Random,
    policy: Policy = _USUAL,
    next_open: Callable[[datetime], datetime] = _always_open,
) -> Next:
    """What follows an enquiry that brought no outcome; whatever it raised, the delivery stays unknown.

    Even ``not_received`` may be overtaken by a late arrival, so the resend carries the mark.
    """
    ask = _Ask(history=history, now=now, source=source, policy=policy, next_open=next_open)
    if isinstance(found, Lookup):
        return _resend(ask) if found is Lookup.NOT_RECEIVED or history.resend_is_safe else _person(Why.PERSON)
    if isinstance(found, CredentialsError):
        return _person(Why.CREDENTIALS)
    return _enquire(ask, history.enquiries) if history.enquiries < policy.max_attempts else _person(Why.MAX_ATTEMPTS)


@record
class _Ask:
    history: History
    now: datetime
    source: random.Random
    policy: Policy
    next_open: Callable[[datetime], datetime]

    def later(self, seconds: float) -> datetime:
        return self.next_open(self.now + timedelta(seconds=seconds))

    def in_time(self, seconds: float, least: float) -> datetime | None:
        """When to try after ``seconds``, or sooner, but not before ``least`` seconds; None: a person must take over."""
        limit = self.history.last_moment
        at = self.later(seconds)
        if at < limit:
            return at
        left = (limit - self.now).total_seconds()
        if left <= least + self.policy.first_seconds:
            return None
        at = self.later(self.source.uniform(least, left))
        return at if at < limit else None


def _temporary(ask: _Ask, retry_after: float | None) -> Next:
    history = ask.history
    if history.attempts >= ask.policy.max_attempts:
        return _dead(ask, Why.MAX_ATTEMPTS)
    wait = backoff_seconds(history.attempts, ask.policy, ask.source)
    asked = _clamped(retry_after, ask.policy.longest_retry_after_seconds)
    # On top of what the department asked for: all who were turned away at once would be back at once.
    at = ask.in_time(wait + asked, asked)
    if at is None:
        return _dead(ask, Why.DEADLINE)
    why = Why.RETRY_AFTER if asked else Why.BACKOFF
    return Next(state=DeliveryState.DUE, at=at, why=why, possible_duplicate=history.possible_duplicate)


def _crashed(ask: _Ask) -> Next:
    if ask.history.without_outcome >= ask.policy.poison_attempts:
        return _dead(ask, Why.POISON, mark=True)
    return _unknown(ask)


def _bug(ask: _Ask) -> Next:
    if ask.history.bugs >= ask.policy.bug_attempts:
        return _dead(ask, Why.BUG, mark=True)
    return _unknown(ask)


def _permanent(ask: _Ask) -> Next:
    return _dead(ask, Why.PERMANENT)


def _credentials(ask: _Ask) -> Next:
    mark = ask.history.possible_duplicate
    return Next(state=DeliveryState.HELD, at=None, why=Why.CREDENTIALS, possible_duplicate=mark)


def _unknown(ask: _Ask) -> Next:
    if ask.history.can_enquire:
        return _enquire(ask, 1)
    return _resend(ask) if ask.history.resend_is_safe else _person(Why.PERSON)


def _resend(ask: _Ask) -> Next:
    if ask.history.attempts >= ask.policy.max_attempts:
        return _dead(ask, Why.MAX_ATTEMPTS, mark=True)
    at = ask.in_time(backoff_seconds(ask.history.attempts, ask.policy, ask.source), 0.0)
    if at is None:
        return _person(Why.DEADLINE)
    return Next(state=DeliveryState.DUE, at=at, why=Why.RESEND, possible_duplicate=True)


def _enquire(ask: _Ask, tries: int) -> Next:
    # Asking has no effect at the department, so it may go on after the deadline for sending.
    at = ask.later(backoff_seconds(max(tries, 1), ask.policy, ask.source))
    return Next(state=DeliveryState.UNKNOWN, at=at, why=Why.ENQUIRE, possible_duplicate=True)


def _duplicate(ask: _Ask) -> Next:
    if not ask.history.possible_duplicate:
        return _dead(ask, Why.PERMANENT)
    if ask.history.can_enquire:
        return _enquire(ask, 1)
    return Next(state=DeliveryState.WAITING, at=None, why=Why.FIRST_RECORD, possible_duplicate=True)


def _person(why: Why) -> Next:
    return Next(state=DeliveryState.UNKNOWN, at=None, why=why, possible_duplicate=True)


def _dead(ask: _Ask, why: Why, *, mark: bool = False) -> Next:
    return Next(state=DeliveryState.DEAD, at=None, why=why, possible_duplicate=mark or ask.history.possible_duplicate)


def _clamped(seconds: float | None, most: float) -> float:
    """A department may say anything: a billion seconds, a negative number, not a number."""
    if seconds is None or math.isnan(seconds):
        return 0.0
    return min(max(seconds, 0.0), most)


_AFTER: dict[ErrorClass, Callable[[_Ask], Next]] = {
    ErrorClass.UNKNOWN: _unknown,
    ErrorClass.DUPLICATE: _duplicate,
    ErrorClass.PERMANENT: _permanent,
    ErrorClass.CREDENTIALS: _credentials,
    ErrorClass.BUG: _bug,
}
