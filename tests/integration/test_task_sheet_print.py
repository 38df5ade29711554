"""A printed sheet is read back as a stranger would: by its words, by its codes, page by page."""

import asyncio
import io
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pypdf
import pypdfium2
import pytest
import zxingcpp

from adapters.paper import PaperGateway
from adapters.sheet_codes import code128_svg, qr_svg
from adapters.sheet_glyphs import FONTS, REGULAR, missing, printable
from contracts.task_sheet import NumberedSheet, bar_code
from tests.paper_world import CASE_NO, IDENTITY_NUMBER, NOON, RARE_NAME, a_sheet, gateway, numbered, system, words_of


async def printed(desk: PaperGateway, sheet: NumberedSheet | None = None, **changes: Any) -> bytes:
    return await desk.print_sheets([sheet or numbered(await a_sheet(desk), **changes)])


def codes_of(pdf: bytes, dots_per_inch: int) -> list[dict[str, str]]:
    document = pypdfium2.PdfDocument(io.BytesIO(pdf))
    try:
        images = [page.render(scale=dots_per_inch / 72, grayscale=True).to_pil() for page in document]
    finally:
        document.close()
    return [{str(code.format): code.text for code in zxingcpp.read_barcodes(image)} for image in images]


async def test_names_numbers_and_labels_are_extracted_exactly() -> None:
    async with gateway() as desk:
        pdf = await printed(desk)

    by_pdfium = words_of(pdf)
    by_pypdf = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]
    for words in [*by_pdfium, *by_pypdf]:
        for expected in [
            "交办单",
            "7K3M-9QX2-ABCD",
            "黄浦区样例街道社区事务受理服务中心",
            "黄浦区司法局",
            "法律援助申请",
            CASE_NO,
            RARE_NAME,
            "申请人姓名",
            "赡养（03）",
            "1234.50 元",
            "居民户口簿",
            "受理员 0317",
            "2026-11-27 12:00",
            "黄灯",
            "□ A 同意",
            "□ E 交办单遗失或污损，补打",
            "办理意见",
            "理由",
            "决定文号",
            "承办人",
            "负责人",
            "部门盖章",
            "SF-AID-01",
        ]:
            assert expected in words


async def test_each_copy_has_one_page_its_mark_and_its_own_foot() -> None:
    async with gateway() as desk:
        pages = words_of(await printed(desk))

    assert len(pages) == 3
    for page, mark in zip(pages, ["第一联　部门留存", "第二联　受理中心留存", "第三联　存档"], strict=True):
        assert mark in page
        assert "第 1 页 / 共 1 页" in page
    assert ["回执" in page for page in pages] == [True, False, False]
    assert ["交接登记" in page for page in pages] == [False, True, True]
    assert "原件 1 份，复印件 3 份，共 10 页" in pages[0]


@pytest.mark.parametrize("dots_per_inch", [150, 300])
async def test_both_codes_are_read_from_the_rasterised_page_of_every_copy(dots_per_inch: int) -> None:
    async with gateway() as desk:
        sheet = numbered(await a_sheet(desk), version=7)
        pdf = await desk.print_sheets([sheet])

    for codes in codes_of(pdf, dots_per_inch):
        assert sorted(codes.values()) == sorted([sheet.code, bar_code(sheet.number, 7)])


async def test_the_reprint_mark_is_there_from_the_second_print_only() -> None:
    async with gateway() as desk:
        first = words_of(await printed(desk))
        second = words_of(await printed(desk, print_no=2))
        third = words_of(await printed(desk, print_no=3))

    assert not any("补打第" in page for page in first)
    assert all("补打第 1 次" in page for page in second)
    assert all("补打第 2 次" in page for page in third)


async def test_the_same_sheet_gives_the_same_bytes_and_a_reprint_the_same_content() -> None:
    async with gateway() as desk:
        first = await printed(desk)
        again = await printed(desk)
        reprint = await printed(desk, print_no=2, printed_at=NOON + timedelta(hours=1))

    assert first == again
    marks = re.compile(r"补打第 1 次\s*|打印时间 2026-11-23 1[23]:00")
    assert [marks.sub("", page).split() for page in words_of(reprint)] == [
        marks.sub("", page).split() for page in words_of(first)
    ]


async def test_a_masked_number_never_stands_in_the_file_in_full() -> None:
    async with gateway() as desk:
        pdf = await printed(desk)

    for page in words_of(pdf):
        assert "310***********991X" in page
        assert IDENTITY_NUMBER not in page
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    assert IDENTITY_NUMBER[6:14].encode() not in pdf
    assert IDENTITY_NUMBER not in str(reader.metadata)


async def test_a_missing_glyph_is_said_on_the_sheet() -> None:
    """U+31350 came with Unicode 15, after the font."""
    lost = chr(0x31350)
    async with gateway() as desk:
        whole = words_of(await printed(desk))
        pages = words_of(
            await printed(desk, numbered(await a_sheet(desk, fields={"applicant_name": f"样例{lost}", "SFZH": "E1"})))
        )

    assert not any("〓" in page for page in whole)
    for page in pages:
        assert "样例〓" in page
        assert "以〓代替" in page
        assert "U+31350" in page


async def test_a_rare_name_in_a_heading_falls_back_to_regular() -> None:
    async with gateway(system({"name_zh": "䶮𠮷㛃审查"})) as desk:
        page = words_of(await printed(desk))[0]

    assert "䶮𠮷㛃审查" in page


async def test_what_a_resident_wrote_is_text_and_never_markup() -> None:
    written = '#panic("x") *b* _i_ $a$ `c` <l> @m // \\ "引号" <script>alert(1)</script>'
    async with gateway() as desk:
        sheet = await a_sheet(desk, fields={"applicant_name": written, "SFZH": "E1"})
        page = words_of(await desk.print_sheets([numbered(sheet)]))[0]

    assert "".join(written.split()) in "".join(page.split())


async def test_a_sheet_too_long_for_one_page_goes_on_and_counts_its_pages() -> None:
    children = [{"XM": f"样例{place:02d}", "ZJHM": f"E{place:08d}"} for place in range(40)]
    async with gateway() as desk:
        sheet = await a_sheet(desk, fields={"applicant_name": "样例甲", "SFZH": "E1", "children": children})
        pdf = await desk.print_sheets([numbered(sheet)])
    pages = words_of(pdf)

    assert len(pages) == 6
    for place in range(3):
        front, back = pages[2 * place], pages[2 * place + 1]
        assert "第 1 页 / 共 2 页" in front
        assert "第 2 页 / 共 2 页" in back
        assert all(f"样例{child:02d}" in front + back for child in range(40))
    # A loose second page must say whose it is.
    assert all("7K3M-9QX2-ABCD" in page for page in pages)


async def test_a_sheet_with_much_on_it_still_takes_one_page_a_copy() -> None:
    children = [{"XM": f"样例{place:02d}", "ZJHM": f"E{place:08d}"} for place in range(6)]
    async with gateway() as desk:
        sheet = await a_sheet(
            desk,
            round=2,
            possible_duplicate=True,
            fields={"applicant_name": RARE_NAME, "SFZH": IDENTITY_NUMBER, "children": children, "remarks": "情" * 100},
        )
        pages = words_of(await desk.print_sheets([numbered(sheet)]))

    assert len(pages) == 3
    assert all("可能已在系统受理，请先查询" in page and "回执" in pages[0] for page in pages)


async def test_a_department_chooses_its_copies_its_codes_and_its_language() -> None:
    plain = {"copies": 1, "copies_for": ["applicant"], "qr": False, "barcode": "none", "version_stamp": False}
    async with gateway(system({"reply": []}, sheet={**plain, "language": "en"})) as desk:
        sheet = await a_sheet(desk, materials=[])
        pdf = await printed(desk, numbered(sheet, due_at=None, lamp="none", print_no=2))
    (page,) = words_of(pdf)

    assert codes_of(pdf, 150) == [{}]
    for expected in [
        "Task sheet",
        "Reprint 1",
        "Copy 1: applicant",
        "not yet set",
        "Decide on legal aid",
        "Applicant name",
        "No papers go with this sheet",
        "□ B not agreed",
        "Document number",
        "page 1 of 1",
    ]:
        assert expected in page
    assert "version" not in page


async def test_more_than_twenty_lines_to_fill_in_are_still_numbered() -> None:
    reply = [{"name": f"r{place}", "type": "string", "label_zh": f"结果{place}"} for place in range(1, 23)]
    async with gateway(system({"reply": reply})) as desk:
        page = "".join(words_of(await printed(desk))[:2])

    assert "⑳ 结果20" in page
    assert "(21) 结果21" in page


async def test_ten_sheets_printed_at_once_are_ten_small_files_each_its_own() -> None:
    """Only the glyphs in use travel: ten sheets together are a fraction of the fonts they are set with."""
    async with gateway() as desk:
        content = await a_sheet(desk)
        sheets = [numbered(content, number=f"ABCDEFGH{place:04d}") for place in range(10)]
        files = await asyncio.gather(*(desk.print_sheets([sheet]) for sheet in sheets))

    for place, pdf in enumerate(files):
        assert f"ABCD-EFGH-{place:04d}" in words_of(pdf)[0]
    assert sum(len(pdf) for pdf in files) < 0.15 * REGULAR.stat().st_size


def test_the_font_has_every_han_of_the_first_block_and_of_extension_a() -> None:
    assert missing([chr(code) for code in (*range(0x4E00, 0x9FF0), *range(0x3400, 0x4DB6))]) == []
    assert missing([RARE_NAME, "〓✂✓□①⑳（）：，。“”"]) == []
    assert missing(["a𱍐b𱍐한"]) == ["𱍐", "한"]


def test_a_font_without_a_full_character_map_is_refused() -> None:
    """The Bold has no character beyond the first plane, and so no such map."""
    with pytest.raises(ValueError, match="make_fonts"):
        printable("办", FONTS / "NotoSansCJKsc-Bold-GB2312.otf")


def test_the_codes_are_bars_of_whole_modules_in_millimetres() -> None:
    assert 'width="28.00mm" height="28.00mm"' in qr_svg("ODS1:7K3M9QX2ABCD:01:" + "0" * 26)
    # Start, fourteen characters, check, stop of thirteen: 189 modules of 0.34 mm.
    assert 'width="64.26mm" height="11.00mm"' in code128_svg("ABCDEFGHJKMN01")


async def test_the_hash_on_the_paper_is_the_short_form_of_the_content_hash() -> None:
    async with gateway() as desk:
        sheet = numbered(await a_sheet(desk))
        pages = words_of(await desk.print_sheets([sheet]))
        other = numbered(replace(sheet.sheet, notice_zh="样例"))

    assert all(f"内容校验 {sheet.content_hash[:12]}" in page for page in pages)
    assert other.content_hash != sheet.content_hash
