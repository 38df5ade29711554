"""Content-Based Router: a case and its item version -> what may start now. Pure; the results module moves the steps."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from contracts.catalogue import Item, Step
from contracts.records import record
from hub.states import StepState

PASSED = frozenset({StepState.DONE, StepState.SKIPPED})
"""A skipped step counts as done for its followers."""

SERVING = frozenset({"deliver", "hand_out"})
"""Tasks that bring the result to the applicant; they follow the decision and never hold it up."""

NOT_ANSWERED = "not_answered"


class Standing(NamedTuple):
    """Where a step stands: its state (``hub.states.StepState``), and the mark of a source that stayed silent."""

    state: str
    mark: str | None = None


@record
class Start:
    """A blocked step whose turn has come: open it, or skip it because its condition is false."""

    step: Step
    skip: bool


def ready(item: Item, standing: Mapping[str, Standing], holds: Callable[[str | None], bool]) -> Iterator[Start]:
    """Steps that may start, in the order of the item. A step without a standing does not exist yet (not accepted)."""
    for step in item.steps:
        here = standing.get(step.id)
        if here and here.state == StepState.BLOCKED and may_start(step, standing):
            yield Start(step=step, skip=not holds(step.when))


def may_start(step: Step, standing: Mapping[str, Standing]) -> bool:
    """Whether every predecessor has passed, or, for a join on the mandatory ones, the others were silent long enough.

    A refusal is served as well: what it made obsolete does not keep it from the applicant.
    """
    mandatory = step.join is not None and step.join.wait_for == "mandatory"
    for name in step.after:
        before = standing.get(name)
        if before is None:
            return False
        if before.state in PASSED or (before.state == StepState.CANCELLED and serving(step)):
            continue
        silent = before.mark == NOT_ANSWERED and mandatory and step.join is not None and name not in step.join.mandatory
        if not silent:
            return False
    return True


def serving(step: Step) -> bool:
    """Whether the step brings the result to the applicant."""
    return step.task in SERVING


def before(item: Item, step: str) -> frozenset[str]:
    """All steps that lie before ``step``, directly or not."""
    after = {one.id: one.after for one in item.steps}
    found: set[str] = set()
    waiting = list(after[step])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(after[name])
    return frozenset(found)


@record
class Plan:
    """What is the same for every case of an item version. ``early``: the steps up to the one that accepts."""

    item: Item
    definitions: Mapping[str, Step]
    early: frozenset[str]


def plan(item: Item) -> Plan:
    """Made once for all cases of the version."""
    return Plan(item=item, definitions={step.id: step for step in item.steps}, early=before_clock(item))


def before_clock(item: Item) -> frozenset[str]:
    """The steps up to and including the one that accepts: they exist from reception, the others from acceptance."""
    return before(item, item.accepts) | {item.accepts}


def silent_after_days(item: Item, step: str) -> int | None:
    """Working days after which this source of a join counts as silent; None when it never does."""
    days = [
        other.join.not_answered_after_working_days
        for other in item.steps
        if other.join
        and other.join.wait_for == "mandatory"
        and step in other.after
        and other.join.not_answered_after_working_days is not None
    ]
    return min(days, default=None)


def needed(item: Item, step: str) -> bool:
    """Whether some join never goes on without this step."""
    return any(
        step in (other.join.mandatory if other.join and other.join.wait_for == "mandatory" else other.after)
        for other in item.steps
    )
