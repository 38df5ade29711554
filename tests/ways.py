"""The ways through the items of a site, as generated applications show them, and what must be true at the end of each.

A case is led by doing whatever is to do until nothing is: people end their tasks, departments answer.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from adapters.field_map import JSON_FORM, RECORD_FORM, field_map
from contracts.catalogue import Item, Operation, Purpose, Step, StepKind
from contracts.delivery import Decision
from contracts.envelope import CaseApplication
from contracts.records import adapter, record
from contracts.site import Site
from hub import routing
from hub.city import holds
from hub.states import StepState
from hub.store.connection import Row
from simulators.cases import sample_case
from tests.whole_city import TODAY, WholeCity

_TRIES = 150
"""Applications that are generated to find every way in which the conditions of an item can fall out together."""


@record
class Way:
    """One way through an item: which of its conditions hold for an application, and that application.

    ``skipped``: steps whose condition is false. ``person``: steps where nothing is sent, since the operation's ``needs`` is false.
    """

    item: Item
    application: CaseApplication
    skipped: frozenset[str]
    person: frozenset[str]

    @property
    def name(self) -> str:
        """For the name of a test."""
        said = [f"without-{step}" for step in sorted(self.skipped)] + [
            f"{step}-by-hand" for step in sorted(self.person)
        ]
        return "-".join([self.item.code, *said])


def ways(site: Site) -> Iterator[Way]:
    """Every item in every way in which its conditions can fall out, as generated applications show them."""
    operations = {
        (system.key, operation.key): operation
        for department in site.departments
        for system in department.systems
        for operation in system.operations
    }
    for item in sorted(site.items, key=lambda item: item.code):
        yield from _ways(site, item, operations)


def _ways(site: Site, item: Item, operations: Mapping[tuple[str, str], Operation]) -> Sequence[Way]:
    needs = {step.id: needed for step in item.steps if (needed := _needs(step, operations)) is not None}
    conditions = {step.id: step.when for step in item.steps if step.when is not None}
    found: dict[tuple[frozenset[str], frozenset[str]], Way] = {}
    for number in range(1, _TRIES if needs or conditions else 2):
        data = sample_case(site, item, seed=1, number=number, today=TODAY)
        application = adapter(CaseApplication).validate_python(data.application)
        context = {"applicant": application.applicant, "agent": application.agent, "form": application.form}
        skipped = frozenset(name for name, condition in conditions.items() if not holds(condition, context))
        person = frozenset(name for name, needed in needs.items() if not holds(needed, context)) - skipped
        papers = (*application.materials, *data.missing)
        found.setdefault(
            (skipped, person),
            Way(item=item, application=replace(application, materials=papers), skipped=skipped, person=person),
        )
    return list(found.values())


def _needs(step: Step, operations: Mapping[tuple[str, str], Operation]) -> str | None:
    operation = operations.get((step.system or "", step.operation or ""))
    return operation.needs if operation else None


def lead_to_the_end(city: WholeCity, way: Way, case_no: str, decision: Decision) -> None:
    """Do whatever is to do, until nothing is: people end their tasks, departments answer; the deciding step says ``decision``."""
    item = way.item
    definitions = {step.id: step for step in item.steps}
    for _ in range(200):
        city.later(minutes=1)
        due, tasks = city.due(case_no), city.tasks(case_no)
        if not due and not tasks:
            return
        for delivery in due:
            assert_minimal(city, delivery)
            decides = delivery["step"] == item.decides
            deciding = city.operation(delivery).purpose is Purpose.DECIDE
            city.deliver(delivery, decision if decides else Decision.GRANTED if deciding else Decision.DONE)
            city.later(minutes=1)
        for task in tasks:
            said = decision if task["step"] == item.decides else Decision.DONE
            more: dict[str, Any] = (
                {"reason_code": "样例", "confirmed_by": "staff-2"} if said is Decision.REFUSED else {}
            )
            if task["kind"] == "decide":
                step = definitions[task["step"]]
                asked = city.city.operation(str(step.system), str(step.operation))
                more["fields"] = city.reply_fields(asked, task["id"])
            assert (task["kind"] == "decide") == (task["step"] in way.person)
            assert definitions[task["step"]].kind is StepKind.CENTRE or task["kind"] in ("decide", "notify")
            city.complete(task["id"], decision=said.value, **more)
            city.later(minutes=1)
    raise AssertionError("the case goes round in circles")


def assert_minimal(city: WholeCity, delivery: Row) -> None:
    """Exactly the fields of the operation, all that it requires among them, in a form that its channels can carry."""
    operation, fields = city.operation(delivery), city.fields(delivery)
    assert fields.keys() <= {field.name for field in operation.request}
    assert fields.keys() >= {field.name for field in operation.request if field.required}
    for form in (JSON_FORM, RECORD_FORM):
        field_map(operation, form=form).to_wire(fields)


def assert_ended(city: WholeCity, way: Way, case_no: str, decision: Decision) -> None:
    """Decided and served, every step in its order, each branch as the conditions say, nothing twice."""
    case = city.case(case_no)
    assert (case["status"], case["decision"]) == ("70", decision.value)
    assert_order(city, way, case_no)
    assert_branches(city, way, case_no, decision)
    assert_once(city, way, case_no)


def assert_order(city: WholeCity, way: Way, case_no: str) -> None:
    """No step opens before all that it comes after has passed; nothing decides before the case is accepted."""
    rows = {
        row["step"]: row for row in city.connection.rows("SELECT * FROM case_step WHERE case_no = :n", {"n": case_no})
    }
    accepted = city.case(case_no)["accepted_at"]
    early = routing.before_clock(way.item)
    for step in way.item.steps:
        opened = rows[step.id]["opened_at"]
        if opened is None:
            continue
        assert all(rows[name]["closed_at"] is not None and rows[name]["closed_at"] <= opened for name in step.after)
        assert (opened <= accepted) if step.id in early else (opened >= accepted)


def assert_branches(city: WholeCity, way: Way, case_no: str, decision: Decision) -> None:
    """Skipped is what the conditions say, cancelled what a refusal left behind; neither reached a department."""
    states = city.steps(case_no)
    asked = {row["step"] for row in city.deliveries(case_no)}
    after_decision = {
        step.id
        for step in way.item.steps
        if way.item.decides in routing.before(way.item, step.id) and not routing.serving(step)
    }
    cancelled = {name for name, state in states.items() if state == StepState.CANCELLED}
    assert cancelled == (after_decision if decision is Decision.REFUSED else set())
    assert {name for name, state in states.items() if state == StepState.SKIPPED} == way.skipped - cancelled
    assert not asked & (way.skipped | way.person | cancelled)
    rest = states.keys() - cancelled - way.skipped
    assert all(states[name] == StepState.DONE for name in rest)


def assert_once(city: WholeCity, way: Way, case_no: str) -> None:
    """Each step opened once and ended once, and one message went for each row that it has to ask about."""
    moves = Counter(city.changes(case_no, "step"))
    assert set(moves.values()) == {1}
    rounds = Counter((row["step"], row["subject"]) for row in city.deliveries(case_no))
    assert set(rounds.values()) <= {1}
    members = way.application.form.get("members")
    for row in city.deliveries(case_no):
        expected = len(members) if row["subject"] and isinstance(members, list) else 1
        assert sum(step == row["step"] for step, _ in rounds) == expected
