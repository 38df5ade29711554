"""Figures of a demo: what is counted, what a case waits for, and that a case in no named state is found."""

from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from rich.console import Console

from contracts.api import AttemptView, CaseView, DeliveryView, JournalView, StepView, TaskView
from contracts.site import load_site
from contracts.situation import Situation
from simulators.demo_figures import figures, sending_situations, waits
from simulators.demo_screen import show_figures, show_verdict

AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
SITE = load_site(Path(str(files("plugins"))))
SENDING = sending_situations(SITE)


def attempt(state: str, situation: str = "api") -> AttemptView:
    return AttemptView(
        number=1,
        situation=situation,
        state=state,
        started_at=AT,
        ended_at=AT,
        error_code=None,
        possible_duplicate=False,
    )


def delivery(state: str, system: str = "MZ-relief", attempts: tuple[AttemptView, ...] = ()) -> DeliveryView:
    return DeliveryView(
        id=uuid4(),
        step="s3",
        subject=None,
        round=1,
        system=system,
        operation="any",
        state=state,
        possible_duplicate=False,
        next_at=None,
        attempts=attempts,
    )


def task(kind: str, state: str = "ready") -> TaskView:
    return TaskView(id=uuid4(), step="s1", kind=kind, state=state, sheet_no=None, sheet_version=None, due_at=None)


def step(kind: str, state: str, decision: str | None = None, name: str = "s3") -> StepView:
    return StepView(
        id=name, kind=kind, state=state, decision=decision, system=None, opened_at=AT, closed_at=None, reply=None
    )


def case(status: str = "30", **parts: Any) -> CaseView:
    whole: dict[str, Any] = {"steps": (step("department", "open"),), "deliveries": (), "tasks": (), "journal": ()}
    return CaseView(
        case_no=f"{UUID(int=uuid4().int).int % 10**24:024d}",
        item="MZ004",
        item_version=1,
        status=status,
        status_key=f"status_{status}",
        flags=(),
        received_at=AT,
        accepted_at=AT,
        due_at=None,
        receiving_centre="310104901",
        accepting_centre="310104901",
        paper_holder="310104901",
        **{**whole, **parts},
    )


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (case(deliveries=(delivery("due", "WJ-family"),)), "the next cut-off"),
        (case(deliveries=(delivery("due", "JY-office"),)), "the office to open"),
        (case(deliveries=(delivery("due"),)), "its next try"),
        (case(deliveries=(delivery("due", "WJ-family", (attempt("temporary", "file_drop"),)),)), "its next try"),
        (case(deliveries=(delivery("waiting"),)), "a department's reply"),
        (case(deliveries=(delivery("waiting", "WJ-family"),)), "a department's result file"),
        (case(deliveries=(delivery("waiting", "JY-office"),)), "a confirmed task sheet"),
        (case(deliveries=(delivery("sending"),)), "a try under way"),
        (case(deliveries=(delivery("unknown"),)), "an enquiry, whether it arrived"),
        (case(deliveries=(delivery("held"),)), "staff, who hold the lane"),
        (case(deliveries=(delivery("dead"),)), "a person, about a dead letter"),
        (case(tasks=(task("review"),)), "a person at the centre (review)"),
        (case(tasks=(task("dead", "to_confirm"),)), "a second person at the centre"),
        (case("11", tasks=(task("receive_accept"),)), "the applicant's correction"),
        (case("32", deliveries=(delivery("waiting"),)), "the centre, after a department returned it"),
        (case("51"), "service of a refusal to the applicant"),
        (case("60"), "the applicant to collect the result"),
    ],
)
def test_a_case_waits_for_something_that_has_a_name(view: CaseView, reason: str) -> None:
    assert waits(view, SENDING)[0] == reason


def test_a_case_with_nothing_open_is_in_no_named_state() -> None:
    lost = case("30", deliveries=(delivery("done"),), tasks=(task("review", "completed"), task("sheet")))
    found = figures(SITE, [lost, case("70")])
    assert found.unnamed == [lost.case_no]
    assert (found.cases, found.completed) == (2, 1)


def test_each_situation_counts_its_own_deliveries() -> None:
    tries = (attempt("unknown"), attempt("temporary"), attempt("completed"))
    refused = case("70", steps=(step("department", "done", "refused"),), deliveries=(delivery("done", attempts=tries),))
    # A system reached on its fallback counts where the message really went.
    on_paper = case("70", deliveries=(delivery("returned", attempts=(attempt("returned", "paper"),)),))
    dead = case(
        deliveries=(delivery("dead", attempts=(attempt("permanent"),)),),
        journal=(
            JournalView(
                seq=1, at=AT, kind="delivery", subject="x", from_state="sending", to_state="dead", by="hub", hash=""
            ),
        ),
    )
    found = figures(SITE, [refused, on_paper, dead])
    api, paper = found.by_situation[Situation.API], found.by_situation[Situation.PAPER]
    assert (api.cases, api.deliveries, api.attempts, api.retries, api.unknown, api.refused, api.dead) == (
        2,
        2,
        4,
        2,
        1,
        1,
        1,
    )
    assert (paper.cases, paper.returned, paper.retries) == (1, 1, 0)
    assert (found.retries, found.unknown, found.dead_letters) == (2, 1, 1)
    assert found.by_situation[Situation.FILE_DROP].as_json()["waiting"] == 0


def test_every_system_of_the_site_and_every_item_with_a_case_is_counted() -> None:
    views = [
        case(deliveries=(delivery("done", attempts=(attempt("unknown"), attempt("completed"))), delivery("waiting"))),
        case(deliveries=(delivery("returned"),)),
    ]
    found = figures(SITE, views)
    assert (found.items, found.items_of_site) == (1, len({item.code for item in SITE.items}))
    assert set(found.by_system) == {system.key for one in SITE.departments for system in one.systems}
    line = found.by_system["MZ-relief"].as_json()
    assert line == {"situation": "api", "cases": 2, "deliveries": 3, "attempts": 2, "answered": 2}
    assert sum(one.deliveries for one in found.by_system.values()) == 3


def test_the_centre_counts_its_steps_and_what_people_have_to_do() -> None:
    steps = (
        step("centre", "done", "done", "s1"),
        step("centre", "open", name="s2"),
        step("centre", "blocked", name="s4"),
    )
    found = figures(SITE, [case(steps=steps, tasks=(task("review"), task("sheet"), task("receive", "completed")))])
    line = found.centre.as_json()
    assert (line["cases"], line["steps"], line["done"]) == (1, 2, 1)
    assert line["waiting_for"] == {"a person at the centre (review)": 1}


def test_the_screen_shows_all_of_it_within_eighty_columns() -> None:
    console = Console(width=80, record=True, highlight=False, quiet=False)
    views = [case(deliveries=(delivery("waiting", "WJ-family"),)), case("30"), case("70")]
    found = replace(figures(SITE, views), dead_letters=3)
    show_figures(console, found, {"refuse": 2})
    wrong = {"ok": False, "checked": 5, "findings": ["x was done [twice]"]}
    show_verdict(
        console,
        {
            "verdict": "failed",
            "lost": 0,
            "undetected_duplicates": 1,
            "possible_duplicates": 0,
            "invariants": {"I3": wrong},
        },
    )
    shown = console.export_text()
    assert "…" not in shown
    assert "1 of 29" in shown
    for words in ("file drop", "a department's result file", "In no state that has a name", "I3 FAILED", "[twice]"):
        assert words in shown
