"""The figures of a demo, counted from what the hub's API says of each case. Nothing here is assumed; a case that waits says for what."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from contracts.api import CaseView, DeliveryView
from contracts.records import record
from contracts.site import Site
from contracts.situation import ChannelStatus, Situation

ENDED: Final = frozenset({"12", "13", "52", "53", "70", "80"})
"""States of a case after which only archiving follows: not accepted, withdrawn, voided, given back, served, archived."""

SETTLED: Final = frozenset({"done", "returned", "cancelled"})
"""Final states of a delivery."""

OPEN_TASK: Final = frozenset({"ready", "reserved", "to_confirm"})
"""States of a task that somebody has yet to do."""

_OPEN_STEP: Final = frozenset({"open", "done", "returned"})

_OF_CASE: Final[Mapping[str, str]] = {
    "11": "the applicant's correction",
    "32": "the centre, after a department returned it",
    "50": "service to the applicant",
    "51": "service of a refusal to the applicant",
    "60": "the applicant to collect the result",
}
"""What a case in such a state waits for where nothing of it is open elsewhere."""

_OF_DELIVERY: Final[Mapping[tuple[str, Situation], str]] = {
    ("due", Situation.API): "its next try",
    ("due", Situation.FILE_DROP): "the next cut-off",
    ("due", Situation.PAPER): "the office to open",
    ("waiting", Situation.API): "a department's reply",
    ("waiting", Situation.FILE_DROP): "a department's result file",
    ("waiting", Situation.PAPER): "a confirmed task sheet",
}

_IN_ANY: Final[Mapping[str, str]] = {
    "claimed": "a try under way",
    "sending": "a try under way",
    "unknown": "an enquiry, whether it arrived",
    "held": "staff, who hold the lane",
    "dead": "a person, about a dead letter",
}


@record
class Line:
    """What happened in one situation. ``waiting``: by what is waited for."""

    cases: int
    deliveries: int
    attempts: int
    retries: int
    unknown: int
    refused: int
    returned: int
    dead: int
    waiting: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """For the summary."""
        counts = {name: getattr(self, name) for name in ("cases", "deliveries", "attempts", "retries", "unknown")}
        counts |= {name: getattr(self, name) for name in ("refused", "returned", "dead")}
        return {**counts, "waiting": sum(self.waiting.values()), "waiting_for": dict(self.waiting)}


@record
class CentreLine:
    """What happened at the centres. ``steps``: those that were opened, those done at the counter on arrival included."""

    cases: int
    steps: int
    done: int
    refused: int
    returned: int
    waiting: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """For the summary."""
        counts = {name: getattr(self, name) for name in ("cases", "steps", "done", "refused", "returned")}
        return {**counts, "waiting": sum(self.waiting.values()), "waiting_for": dict(self.waiting)}


@record
class SystemLine:
    """What one system got."""

    situation: Situation
    cases: int
    deliveries: int
    attempts: int
    answered: int

    def as_json(self) -> dict[str, Any]:
        """For the summary."""
        counts = {name: getattr(self, name) for name in ("cases", "deliveries", "attempts", "answered")}
        return {"situation": self.situation.value, **counts}


@record
class Figures:
    """All of it. ``waiting``: cases by what they wait for; ``unnamed``: case numbers in no state that anybody could name.

    ``dead_letters`` counts how often a delivery became one, those that were brought back to life included. ``items``: those with a case,
    ``items_of_site``: all; ``by_system`` holds every system of the site, those that nobody needed included.
    """

    cases: int
    completed: int
    outcomes: Mapping[str, int]
    waiting: Mapping[str, int]
    unnamed: Sequence[str]
    by_situation: Mapping[Situation, Line]
    centre: CentreLine
    dead_letters: int
    items: int
    items_of_site: int
    by_system: Mapping[str, SystemLine]

    @property
    def retries(self) -> int:
        """Tries beyond the first."""
        return sum(line.retries for line in self.by_situation.values())

    @property
    def unknown(self) -> int:
        """Tries of which nobody knew at first whether they had arrived."""
        return sum(line.unknown for line in self.by_situation.values())


def figures(site: Site, views: Sequence[CaseView]) -> Figures:
    """Count everything."""
    sending = sending_situations(site)
    waiting: Counter[str] = Counter()
    unnamed: list[str] = []
    for view in views:
        if view.status not in ENDED:
            reasons = waits(view, sending)
            if reasons:
                waiting[reasons[0]] += 1
            else:
                unnamed.append(view.case_no)
    return Figures(
        cases=len(views),
        completed=sum(view.status in ENDED for view in views),
        outcomes=Counter(view.status_key for view in views),
        waiting=waiting,
        unnamed=unnamed,
        by_situation={situation: _line(views, situation, sending) for situation in Situation},
        centre=_centre(views),
        dead_letters=sum(
            change.kind == "delivery" and change.to_state == "dead" for view in views for change in view.journal
        ),
        items=len({view.item for view in views}),
        items_of_site=len({item.code for item in site.items}),
        by_system={system: _system(views, system, situation) for system, situation in sending.items()},
    )


def sending_situations(site: Site) -> Mapping[str, Situation]:
    """How each system is reached."""
    return {
        system.key: channel.situation
        for department in site.departments
        for system in department.systems
        for channel in system.channels
        if channel.status is ChannelStatus.SENDING
    }


def waits(view: CaseView, sending: Mapping[str, Situation]) -> Sequence[str]:
    """What an unfinished case waits for, the most telling first. Empty: nothing that could be named."""
    found = [_of_delivery(one, sending) for one in view.deliveries if one.state not in SETTLED]
    found += [
        _of_task(task.kind, task.state) for task in view.tasks if _at_centre(task.kind) and task.state in OPEN_TASK
    ]
    by_state = [_OF_CASE[view.status]] if view.status in _OF_CASE else []
    # A correction or a return stands before whatever else is open beside it.
    return [*by_state, *found] if view.status in {"11", "32"} else [*found, *by_state]


def _of_delivery(delivery: DeliveryView, sending: Mapping[str, Situation]) -> str:
    if delivery.state in _IN_ANY:
        return _IN_ANY[delivery.state]
    situation = situation_of(delivery, sending)
    if delivery.state == "due" and delivery.attempts:
        return "its next try"
    return _OF_DELIVERY[delivery.state, situation]


def _of_task(kind: str, state: str) -> str:
    if state == "to_confirm":
        return "a second person at the centre"
    return f"a person at the centre ({kind})"


def _at_centre(kind: str) -> bool:
    """Sheets are waited for as deliveries."""
    return kind != "sheet"


def situation_of(delivery: DeliveryView, sending: Mapping[str, Situation]) -> Situation:
    """How it went, or will go: by the last try, else by the channel that sends."""
    if delivery.attempts:
        return Situation(delivery.attempts[-1].situation)
    return sending[delivery.system]


def _line(views: Iterable[CaseView], situation: Situation, sending: Mapping[str, Situation]) -> Line:
    mine = [
        (view, delivery)
        for view in views
        for delivery in view.deliveries
        if situation_of(delivery, sending) is situation
    ]
    decisions = {(view.case_no, step.id): step.decision for view in views for step in view.steps}
    deliveries = [delivery for _, delivery in mine]
    return Line(
        cases=len({view.case_no for view, _ in mine}),
        deliveries=len(deliveries),
        attempts=sum(len(one.attempts) for one in deliveries),
        retries=sum(max(len(one.attempts) - 1, 0) for one in deliveries),
        unknown=sum(attempt.state == "unknown" for one in deliveries for attempt in one.attempts),
        refused=sum(one.state == "done" and decisions[view.case_no, one.step] == "refused" for view, one in mine),
        returned=sum(one.state == "returned" for one in deliveries),
        dead=sum(one.state == "dead" for one in deliveries),
        waiting=Counter(_of_delivery(one, sending) for one in deliveries if one.state not in SETTLED),
    )


def _system(views: Iterable[CaseView], system: str, situation: Situation) -> SystemLine:
    mine = [(view.case_no, one) for view in views for one in view.deliveries if one.system == system]
    return SystemLine(
        situation=situation,
        cases=len({case_no for case_no, _ in mine}),
        deliveries=len(mine),
        attempts=sum(len(one.attempts) for _, one in mine),
        answered=sum(one.state in {"done", "returned"} for _, one in mine),
    )


def _centre(views: Sequence[CaseView]) -> CentreLine:
    steps = [
        (view, step) for view in views for step in view.steps if step.kind == "centre" and step.state in _OPEN_STEP
    ]
    return CentreLine(
        cases=len({view.case_no for view, _ in steps}),
        steps=len(steps),
        done=sum(step.state == "done" for _, step in steps),
        refused=sum(step.decision == "refused" for _, step in steps),
        returned=sum(step.state == "returned" for _, step in steps),
        waiting=Counter(
            _OF_CASE["11"] if view.status == "11" else _of_task(task.kind, task.state)
            for view in views
            for task in view.tasks
            if _at_centre(task.kind) and task.state in OPEN_TASK
        ),
    )
