"""A delivery becomes a sheet, and a ticked box becomes an outcome."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from adapters import paper
from contracts.delivery import Completed, Confirmation, Decision, Returned
from contracts.errors import PermanentError, TemporaryError
from contracts.plugin import Preparing, Printing
from contracts.records import adapter
from contracts.situation import Situation
from contracts.task_sheet import POSSIBLE_DUPLICATE, SheetBox, SheetMaterial, TaskSheet, content_hash
from tests.paper_world import IDENTITY_NUMBER, RARE_NAME, a_sheet, delivery, gateway, system


def values_of(sheet: TaskSheet) -> dict[str, str]:
    return {line.label_zh: line.value for line in sheet.lines}


async def confirmed(result_code: str, fields: dict[str, Any] | None = None, **more: Any) -> object:
    async with gateway() as desk:
        return desk.confirm(delivery(), Confirmation(result_code=result_code, fields=fields or {}, **more))


async def test_a_channel_on_paper_can_prepare_and_print_and_is_always_there() -> None:
    async with gateway() as desk:
        assert isinstance(desk, Preparing)
        assert isinstance(desk, Printing)
        await desk.check()


async def test_the_same_delivery_gives_the_same_sheet() -> None:
    async with gateway() as desk:
        first = await a_sheet(desk)
        again = await a_sheet(desk, attempt=2)
        stored = await a_sheet(desk, payload=desk.prepare(delivery()), fields={})

    assert first == again == stored
    assert content_hash(first) == content_hash(again)


async def test_a_sheet_carries_the_request_with_labels_and_nothing_else() -> None:
    async with gateway() as desk:
        sheet = await a_sheet(desk, fields={**delivery().fields, "not_declared": "secret"})

    assert (sheet.form, sheet.title_zh, sheet.title_en) == ("SF-AID-01", "法律援助审查", "Decide on legal aid")
    assert values_of(sheet) == {
        "申请人姓名": RARE_NAME,
        "证件号码": IDENTITY_NUMBER,
        "申请事由": "赡养（03）",
        "月收入": "1234.50 元",
        "是否紧急": "是",
    }
    assert [line.name for line in sheet.lines if line.masked] == ["SFZH"]
    assert sheet.boxes[0] == SheetBox(code="A", label_zh="同意", label_en="agreed")
    assert [box.code for box in sheet.boxes] == ["A", "B", "C", "E", "F"]
    assert [(line.name, line.value) for line in sheet.reply_lines][:3] == [
        ("amount", "元"),
        ("reason", ""),
        ("valid_until", "　　　年　　月　　日"),
    ]
    assert sheet.materials == [
        SheetMaterial(name="居民户口簿", originals=1, copies=1, pages=6),
        SheetMaterial(name="起诉状", originals=0, copies=2, pages=4),
    ]
    assert "审查" in sheet.todo_zh
    assert sheet.notice_zh == ""


async def test_lists_tables_and_objects_are_written_out_for_a_reader() -> None:
    fields: dict[str, Any] = {
        **delivery().fields,
        "kinds": ["01", "02"],
        "children": [{"XM": "样例甲", "ZJHM": "310101201001019910"}, {"XM": "样例乙"}, "no row"],
        "detail": {"楼层": 3, "电梯": False},
    }
    async with gateway(with_lists=False) as desk:
        sheet = await a_sheet(desk, fields=fields)

    shown = values_of(sheet)
    assert shown["申请事由"] == "03"
    assert shown["类别"] == "01、02"
    assert shown["子女 1 姓名"] == "样例甲"
    assert shown["子女 2 姓名"] == "样例乙"
    assert "子女 2 证件号码" not in shown
    assert shown["其他"] == "楼层 3；电梯 否"
    assert {line.label_zh for line in sheet.lines if line.masked} == {"证件号码", "子女 1 证件号码"}


async def test_an_identity_number_inside_a_text_is_hidden_and_a_declared_field_too() -> None:
    fields = {**delivery().fields, "remarks": f"与{IDENTITY_NUMBER}共同居住\n账号 6222000000000009991"}
    async with gateway(system(sheet={"masked": ["income"]})) as desk:
        sheet = await a_sheet(desk, fields=fields)

    assert values_of(sheet)["情况说明"] == "与310***********991X共同居住 账号 6222000000000009991"
    assert [line.name for line in sheet.lines if line.masked] == ["SFZH", "income"]


async def test_a_missing_required_field_is_a_permanent_error() -> None:
    async with gateway() as desk:
        with pytest.raises(PermanentError, match="field_missing: applicant_name"):
            desk.prepare(delivery(fields={}))


@pytest.mark.parametrize("operation", ["by_api_only", "nowhere"])
async def test_an_operation_without_a_sheet_is_a_permanent_error(operation: str) -> None:
    async with gateway() as desk:
        with pytest.raises(PermanentError, match="unknown_operation"):
            await desk.deliver(delivery(operation=operation))


async def test_a_possible_duplicate_is_said_first_on_the_sheet() -> None:
    warning_zh, warning_en = POSSIBLE_DUPLICATE
    async with gateway() as desk:
        sheet = await a_sheet(desk, possible_duplicate=True)
        second_round = await a_sheet(desk, possible_duplicate=True, round=2)
        resent = await a_sheet(desk, possible_duplicate=True, payload=desk.prepare(delivery()))
        plain = await a_sheet(desk)

    assert (sheet.notice_zh, sheet.notice_en) == (warning_zh, warning_en)
    assert second_round.notice_zh.startswith(f"{warning_zh}。第 2 轮交办")
    assert resent == sheet
    assert replace(sheet, notice_zh="", notice_en="") == plain


async def test_a_row_of_a_table_and_a_text_of_its_own_are_named() -> None:
    wire = {"paper": {"sheet": "F", "todo_zh": "请上门", "todo_en": "Visit"}}
    async with gateway(system({"wire": wire, "purpose": "check"})) as desk:
        sheet = await a_sheet(desk, subject="2")
    async with gateway(system({"purpose": "check"})) as desk:
        checked = await a_sheet(desk)

    assert (sheet.title_zh, sheet.title_en) == ("法律援助审查（分项 2）", "Decide on legal aid (part 2)")
    assert (sheet.todo_zh, sheet.todo_en) == ("请上门", "Visit")
    assert "核实" in checked.todo_zh


async def test_an_english_sheet_writes_its_values_in_english() -> None:
    async with gateway(system(sheet={"language": "en"})) as desk:
        sheet = await a_sheet(desk)

    assert [line.value for line in sheet.lines][2:] == ["Support of parents (03)", "CNY 1234.50", "yes"]


async def test_a_granting_box_completes_with_typed_fields() -> None:
    outcome = await confirmed(
        "A",
        {
            "核定月补助金额\n合计": " 880 ",
            "Valid until": "2027-06-30",
            "level": "3",
            "是否查得": "是",
            "kinds": "01、02",
            "理由": "",
            "decision_no": "沪司援〔2026〕9991号",
        },
    )

    assert outcome == Completed(
        decision=Decision.GRANTED,
        fields={
            "amount": "880.00",
            "valid_until": "2027-06-30",
            "level": 3,
            "found": True,
            "kinds": ["01", "02"],
            "decision_no": "沪司援〔2026〕9991号",
        },
    )


@pytest.mark.parametrize(("written", "meant"), [("yes", True), ("否", False), ("FALSE", False), (True, True)])
async def test_yes_and_no_are_understood_as_people_write_them(written: object, meant: bool) -> None:
    outcome = await confirmed("A", {"found": written})

    assert outcome == Completed(decision=Decision.GRANTED, fields={"found": meant})


async def test_a_refusal_keeps_its_reason() -> None:
    by_code = await confirmed("B", reason_code="not_eligible")
    in_words = await confirmed("B", {"理由": "收入超标"}, reason_code="not_eligible")

    assert by_code == Completed(decision=Decision.REFUSED, fields={"reason": "not_eligible"})
    assert in_words == Completed(decision=Decision.REFUSED, fields={"reason": "收入超标"})


async def test_a_return_says_what_is_wanted() -> None:
    outcome = await confirmed("C", reason_code="papers_missing", wanted=["m01"])

    assert outcome == Returned(reason_code="papers_missing", wanted=("m01",))
    assert await confirmed("C", wanted=["m01"]) == Returned(reason_code="C", wanted=("m01",))


async def test_a_lost_sheet_is_temporary_and_a_wrong_department_permanent() -> None:
    lost, wrong = await confirmed("E"), await confirmed("F")

    assert isinstance(lost, TemporaryError)
    assert isinstance(wrong, PermanentError)


@pytest.mark.parametrize(
    ("box", "fields", "code"),
    [
        ("Z", {}, "unknown_box"),
        ("B", {}, "reason_missing"),
        ("B", {"reason": "  "}, "reason_missing"),
        ("C", {}, "reason_missing"),
        ("A", {"样例": "1"}, "unknown_field"),
        ("A", {"amount": "很多"}, "bad_field"),
        ("A", {"found": "也许"}, "bad_field"),
    ],
)
async def test_what_the_sheet_does_not_have_is_refused_without_repeating_it(
    box: str, fields: dict[str, Any], code: str
) -> None:
    with pytest.raises(PermanentError) as refused:
        await confirmed(box, fields)

    assert refused.value.code == code
    assert not any(value in str(refused.value) for value in ["样例", "很多", "也许"])


def test_an_empty_table_is_a_channel_and_says_what_the_file_says() -> None:
    file = system()
    made = paper.make(file, file.channels[0])

    assert made.situation is Situation.PAPER
    assert made.resend_is_safe
    assert made.limits == file.channels[0].limits


@pytest.mark.parametrize(
    "table",
    [
        {"sheets": {}},
        {"sheet": {"copies": 2}},
        {"sheet": {"copies": 2, "copies_for": ["file", "file"]}},
        {"sheet": {"copies": 0, "copies_for": []}},
        {"pickup": {"time": "25:00"}},
        {"pickup": {"time": "09:00", "weekdays": [8]}},
        {"confirm": {"second_person_for": ["refused"]}},
        {"remind_after_working_days": 0},
        {"code_style": "dots"},
    ],
)
def test_a_wrong_key_of_the_table_is_refused(table: dict[str, Any]) -> None:
    file = system(**table)

    with pytest.raises(ValidationError):
        paper.make(file, file.channels[0])


def test_the_whole_table_of_a_department_is_understood() -> None:
    file = system(
        sheet={"copies": 3, "copies_for": ["department", "centre", "file"], "barcode": "code128", "qr": True},
        handover_list=True,
        pickup={
            "weekdays": [3],
            "time": "10:00",
            "carrier": "courier",
            "skip_holidays": True,
            "batch": {"kind": "monthly", "day": "first Wednesday"},
        },
        confirm={
            "steps": ["key_result", "scan_stamped_sheet"],
            "second_person_for": ["completed.refused"],
            "back_dated_with_reason": True,
        },
        remind_after_working_days=10,
        code_style="box",
    )

    assert paper.make(file, file.channels[0]).situation is Situation.PAPER


def test_the_content_that_is_stored_is_the_content_that_is_read_back() -> None:
    sheet = TaskSheet(
        form="F", title_zh="题", title_en="t", todo_zh="办", todo_en="do", lines=[], boxes=[], notice_zh="请先查询"
    )

    assert adapter(TaskSheet).validate_json(adapter(TaskSheet).dump_json(sheet)).notice_zh == "请先查询"
