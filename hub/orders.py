"""What those who run the hub order: dead letters sent again, a doubtful delivery decided. The same for a page, the socket and the file."""

from collections.abc import Sequence
from dataclasses import field, replace

from contracts.delivery import Completed, Decision, Outcome, Returned
from contracts.records import Fields, record
from hub import results
from hub.city import City
from hub.clients import Scope
from hub.core import Core
from hub.operating import Question, wanted
from hub.results import Change, NotAllowed, Verdict
from hub.states import DeliveryState
from hub.store import operating as statements
from hub.store.connection import Connection

MASS = 20
"""Deliveries that one person may send again at a stroke. More need a second person's word."""


CHUNK = 100
"""Deliveries that one unit sends again: others have their turn in between."""


class TwoPersons(NotAllowed):
    """More than one person alone may do; the text says whose word is missing."""


@record
class Person:
    """Who orders it: a reference, for the journal."""

    by: str


@record
class ReplayOrder:
    """Dead letters to be sent again: those named, or all that the question means. ``dry_run``: they are only counted."""

    by: str
    ids: tuple[str, ...] = ()
    question: Question | None = None
    confirmed_by: str | None = None
    dry_run: bool = False


@record
class Replayed:
    """``found``: dead letters that were meant; ``replayed``: how many of them are due again."""

    found: int
    replayed: int


@record
class Word:
    """What a person says of one delivery. With ``done``: ``decision`` is done, granted, refused or returned (then why)."""

    by: str
    verdict: Verdict
    decision: str = "done"
    fields: Fields = field(default_factory=dict)
    reason_code: str = ""


def meant(connection: Connection, city: City, scope: Scope, order: ReplayOrder) -> list[str]:
    """The ids of the dead letters that an order means, oldest first. Raises TwoPersons where one person's word is not enough."""
    if order.question is not None:
        question = replace(order.question, states=frozenset({DeliveryState.DEAD.value}))
        found = statements.ids(connection, city.region, wanted(question, scope))
    else:
        found = statements.dead_among(connection, city.region, order.ids)
    if order.confirmed_by == order.by:
        raise TwoPersons("the second person must be another one than the first")
    if len(found) > MASS and order.confirmed_by is None and not order.dry_run:
        raise TwoPersons(
            f"{len(found)} deliveries are more than {MASS}: have a second person confirm it, and name them with --confirmed-by"
        )
    return found


def replay(connection: Connection, city: City, order: ReplayOrder, ids: Sequence[str], at: int) -> list[Change]:
    """A unit: send these again."""
    return results.replay(connection, city, ids, order.by, order.confirmed_by, at)


async def replay_all(core: Core, scope: Scope, order: ReplayOrder) -> Replayed:
    """Send again what an order means, a chunk a unit; the lanes let them go at their rate. Raises TwoPersons, StoreUnavailable."""
    ids = await core.read(lambda c: meant(c, core.city, scope, order))
    replayed = 0
    for start in range(0, 0 if order.dry_run else len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        done = await core.commit("replay", lambda c: replay(c, core.city, order, chunk, core.now_ms()))  # noqa: B023 - run at once
        replayed += len(done)
    return Replayed(found=len(ids), replayed=replayed)


def decide(connection: Connection, city: City, delivery: str, word: Word, at: int) -> Change:
    """A unit: do what a person says. Raises NotFoundHere, NotAllowed."""
    return results.decide(connection, city, delivery, word.verdict, _said(word), word.by, at)


def _said(word: Word) -> Outcome | None:
    if word.verdict is not Verdict.DONE:
        return None
    if word.decision == "returned":
        if not word.reason_code:
            raise NotAllowed("a department that returns a case says why: give its reason code")
        return Returned(reason_code=word.reason_code)
    if word.decision not in set(Decision):
        raise NotAllowed(f"a decision is done, granted, refused or returned: {word.decision[:40]} is something else")
    return Completed(decision=Decision(word.decision), fields=word.fields)
