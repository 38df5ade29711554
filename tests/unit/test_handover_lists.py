"""Handover lists on paper: number, masked names, the next run of a courier, the printed page."""

import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pypdfium2
import zxingcpp
from stdnum.iso7064 import mod_11_10

from adapters.handover_printing import render_handover
from contracts.handover import Courier, Handover, HandoverLine, masked_name
from hub.clock import calendar
from hub.handovers import next_run
from tests.paper_world import words_of
from tests.small_city import small_calendar

DIGITS = "31010490120261123001"
NUMBER = f"JJ{DIGITS}{mod_11_10.calc_check_digit(DIGITS)}"
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")


def handover(lines: int = 2, name: str = "样例甲") -> Handover:
    return Handover(
        number=NUMBER,
        centre_name="徐汇区样例街道社区事务受理服务中心",
        department_name="徐汇区司法局",
        carrier="courier",
        run_at=NOON,
        made_at=NOON,
        made_by="clerk-1",
        print_no=2,
        printed_at=NOON,
        lines=[
            HandoverLine(
                seq=place,
                sheet_no=f"7K3M9QX2AB{place:02d}",
                sheet_version=1,
                case_no="310104901202611230000017",
                item_name="法律援助申请",
                applicant=masked_name(name),
                originals=1,
                copies=2,
                pages=6,
            )
            for place in range(1, lines + 1)
        ],
    )


def test_a_name_shows_its_first_character_and_of_a_long_one_its_last() -> None:
    assert [masked_name(name) for name in ("", "甲", "样例", "样例甲", "样例有限公司")] == [
        "",
        "*",
        "样*",
        "样**",
        "样****司",
    ]


def test_the_list_prints_its_lines_its_totals_and_a_copy_for_either_side() -> None:
    pages = words_of(render_handover(handover(), "zh", SHANGHAI))

    assert len(pages) == 2
    assert "受理中心留存" in pages[0]
    assert "取件人留存" in pages[1]
    for page in pages:
        text = "".join(page.split())
        assert "7K3M-9QX2-AB01/01" in text
        assert "交办单2份2412" in text, "totals: originals, copies, pages"
        assert "样**" in text
        assert "第2次打印" in text
        assert "样例甲" not in text


def test_both_codes_of_a_list_say_its_number() -> None:
    document = pypdfium2.PdfDocument(io.BytesIO(render_handover(handover(), "en", SHANGHAI)))
    try:
        codes = {code.text for code in zxingcpp.read_barcodes(document[0].render(scale=200 / 72).to_pil())}
    finally:
        document.close()

    assert codes == {NUMBER}


def test_a_long_list_repeats_its_heading_and_counts_its_pages() -> None:
    pages = words_of(render_handover(handover(60), "zh", SHANGHAI))

    assert len(pages) > 2
    assert all("办件编号" in page for page in pages[: len(pages) // 2])
    assert f"第 1 页 / 共 {len(pages) // 2} 页" in pages[0]


def test_a_character_without_a_glyph_is_said_on_the_list() -> None:
    page = words_of(render_handover(handover(name=chr(0x31350)), "zh", SHANGHAI))[0]
    assert "〓" not in page, "one character is masked as a whole"
    page = words_of(render_handover(handover(name=chr(0x31350) + "甲"), "zh", SHANGHAI))[0]
    assert "U+31350" in page


def test_the_next_run_keeps_to_weekdays_and_leaves_out_holidays() -> None:
    table = calendar("Asia/Shanghai", small_calendar())
    friday_noon = datetime(2026, 4, 24, 4, 0, tzinfo=UTC)
    plan = Courier(weekdays=(1, 5), time="14:30")

    def local(found: datetime | None) -> str:
        return "" if found is None else f"{found.astimezone(SHANGHAI):%m-%d %H:%M}"

    assert local(next_run(plan, friday_noon, table)) == "04-24 14:30"
    assert local(next_run(plan, datetime(2026, 4, 24, 7, 0, tzinfo=UTC), table)) == "04-27 14:30"
    # The first of May is a Friday and a holiday.
    assert local(next_run(plan, datetime(2026, 4, 28, 0, 0, tzinfo=UTC), table)) == "05-04 14:30"
    anyway = Courier(weekdays=(5,), time="14:30", skip_holidays=False)
    assert local(next_run(anyway, datetime(2026, 4, 28, 0, 0, tzinfo=UTC), table)) == "05-01 14:30"
    assert next_run(Courier(), friday_noon, table) is None
    assert next_run(plan, datetime(2027, 1, 1, 1, 0, tzinfo=UTC), table) is None, "no calendar, no promise"
    assert next_run(Courier(weekdays=(8,), time="14:30"), friday_noon, table) is None
