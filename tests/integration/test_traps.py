"""Traps that a hub of this kind falls into, each on a case of the sample city. tests/README.md lists them all."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from adapters.text_encodings import to_bytes, to_text
from contracts.delivery import AwaitingReply, Decision
from contracts.envelope import CaseApplication
from contracts.envelope import CaseEventKind as Event
from contracts.site import load_site
from contracts.task_sheet import SheetBox, SheetLine, TaskSheet
from hub import results
from hub.city import moment
from hub.results import NotAllowed
from plugins.toml_departments import sample_site
from tests.small_city import GRANTED, START
from tests.ways import Way, assert_ended, lead_to_the_end, ways
from tests.whole_city import TODAY, WholeCity

WAYS = {way.item.code: way for way in ways(load_site(sample_site()))}
STATEMENT, PAPER = WAYS["DA002"], WAYS["JY003"]
"""An item promised in seven working days over an API, and one decided on a task sheet."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeCity]:
    city = WholeCity(tmp_path_factory.mktemp("city"), sample_site())
    yield city
    city.close()


@pytest.fixture
def city(whole: WholeCity) -> WholeCity:
    whole.now = START
    return whole


def shanghai(month: int, day: int, hour: int = 10) -> datetime:
    """A time of 2026 in the city, as UTC."""
    return datetime(2026, month, day, hour - 8, tzinfo=UTC)


def due_day(city: WholeCity, case_no: str) -> date:
    """The last day on which the decision is in time."""
    at = city.case(case_no)["due_at"]
    assert at is not None
    return city.city.calendar.local_day(moment(at - 1))


def pause(city: WholeCity, case_no: str, first: datetime, last: datetime) -> None:
    """A special procedure."""
    city.now = first
    city.tell(case_no, Event.SUSPEND, reason_code="hearing")
    city.now = last
    city.tell(case_no, Event.RESUME)


def test_a_case_accepted_on_a_saturday_has_its_first_day_on_monday(city: WholeCity) -> None:
    assert STATEMENT.item.promised_days == 7
    city.now = shanghai(3, 7)
    saturday = city.hand_in(STATEMENT.application, accepted=True)
    city.now = shanghai(3, 6)
    friday = city.hand_in(STATEMENT.application, accepted=True)
    assert due_day(city, saturday) == due_day(city, friday) == date(2026, 3, 17)


def test_a_saturday_that_makes_up_for_a_holiday_counts(city: WholeCity) -> None:
    city.now = shanghai(2, 26)
    assert due_day(city, city.hand_in(STATEMENT.application, accepted=True)) == date(2026, 3, 6)


def test_a_pause_over_a_holiday_gives_back_working_days_only(city: WholeCity) -> None:
    city.now = shanghai(9, 22)
    case_no = city.hand_in(STATEMENT.application, accepted=True)
    assert due_day(city, case_no) == date(2026, 10, 9)  # the 25th and the first week of October are holidays
    pause(city, case_no, shanghai(9, 30), shanghai(10, 8))
    # The 30th, when it begins, counts and the 8th, when it ends, does not; Saturday the 10th makes up for a holiday.
    assert due_day(city, case_no) == date(2026, 10, 10)


def test_two_pauses_add_up(city: WholeCity) -> None:
    case_no = city.hand_in(STATEMENT.application, accepted=True)
    assert due_day(city, case_no) == date(2026, 3, 11)
    pause(city, case_no, shanghai(3, 3), shanghai(3, 4))
    once = due_day(city, case_no)
    pause(city, case_no, shanghai(3, 6), shanghai(3, 10))
    assert (once, due_day(city, case_no)) == (date(2026, 3, 12), date(2026, 3, 16))


def sheet_of(city: WholeCity, case_no: str, note: str) -> str:
    """Send what is due on paper; the sheet says ``note``. Returns its number."""
    content = TaskSheet(
        form="JY",
        title_zh="交办单",
        title_en="Task sheet",
        todo_zh="办理",
        todo_en="Handle",
        lines=(SheetLine(name="note", label_zh="备注", label_en="Note", value=note),),
        boxes=(SheetBox(code="A", label_zh="同意", label_en="Agreed"),),
    )
    city.send(city.due(case_no)[0]["system"], AwaitingReply(task_sheet=content))
    return str(city.tasks(case_no, "sheet")[0]["sheet_no"])


def test_a_sheet_printed_again_confirms_like_the_first_print_and_an_outdated_one_does_not(city: WholeCity) -> None:
    case_no = city.hand_in(PAPER.application, accepted=True)
    number = sheet_of(city, case_no, "样例一")
    first, again = (
        city.unit(lambda c: results.count_print(c, city.city, number, city.at, "staff-1")) for _ in range(2)
    )
    assert first.code == again.code
    assert (first.row["prints"], again.row["prints"]) == (1, 2)
    (delivery,) = [row for row in city.deliveries(case_no) if row["state"] == "waiting"]
    city.operate(delivery["id"], "resend")
    assert sheet_of(city, case_no, "样例二") == number
    new = city.unit(lambda c: results.count_print(c, city.city, number, city.at, "staff-1"))
    assert (new.row["version"], new.code == first.code) == (2, False)
    with pytest.raises(NotAllowed, match="outdated"):
        city.complete(number, GRANTED, sheet_code=first.code, result_code="A")
    assert city.complete(number, GRANTED, sheet_code=new.code, result_code="A").status == "50"


def with_applicant(way: Way, **values: str) -> CaseApplication:
    return replace(way.application, applicant={**way.application.applicant, **values})


def test_an_identity_number_of_fifteen_digits_becomes_the_one_of_eighteen(city: WholeCity) -> None:
    old = with_applicant(STATEMENT, id_type="111", id_no="310104650505991", sex="1", birth_date="1965-05-05")
    kept, bad = city.form(STATEMENT.item).check(replace(old, accepted=True), TODAY)
    assert bad == ()
    number = str(kept.applicant["id_no"])
    assert (number[:6], number[6:14], number[14:17], len(number)) == ("310104", "19650505", "991", 18)
    case_no = city.hand_in(old, accepted=True)
    assert city.fields(city.due(case_no)[0])["applicant_id_no"] == number


@pytest.mark.parametrize("name", ["尼玛·样例次仁", "阿依古丽·样例", "买买提·样例·䶮"])
def test_a_name_with_a_dot_reaches_a_department_as_it_was_written(city: WholeCity, name: str) -> None:
    case_no = city.hand_in(with_applicant(STATEMENT, name=name), accepted=True)
    assert city.fields(city.due(case_no)[0])["applicant_name"] == name
    assert to_text(to_bytes(name, "GB18030"), "GB18030") == name


def test_a_case_keeps_the_version_under_which_it_was_received(city: WholeCity) -> None:
    item = STATEMENT.item
    case_no = city.hand_in(STATEMENT.application, accepted=False)
    review = replace(item.steps[0], id="s2", task="review", at="accepting", after=("s1",))
    steps = (item.steps[0], review, replace(item.steps[1], after=("s2",)), *item.steps[2:])
    newer = replace(item, version=2, promised_days=3, steps=steps)
    old_city = city.city
    city.city = replace(old_city, items={**old_city.items, (newer.code, 2): newer})
    try:
        lead_to_the_end(city, STATEMENT, case_no, Decision.GRANTED)
        assert_ended(city, STATEMENT, case_no, Decision.GRANTED)
        assert (city.case(case_no)["item_version"], "s2" in city.steps(case_no)) == (1, False)
        city.now = START
        fresh = city.hand_in(replace(STATEMENT.application, item_version=2), accepted=True)
        assert city.steps(fresh)["s2"] == "open"
        assert due_day(city, fresh) == date(2026, 3, 5)
    finally:
        city.city = old_city
