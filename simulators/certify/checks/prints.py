"""Task sheets and handover lists as they are printed: as a reader sees them, and a scanner."""

from dataclasses import replace

from contracts.plugin import Printing
from contracts.situation import Situation
from contracts.task_sheet import SheetLine, bar_code, masked
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.checks.mapping import told
from simulators.certify.deliveries import TEXTS
from simulators.certify.paper_place import (
    LIST_NUMBER,
    NUMBER,
    a_sheet,
    first_print,
    handover,
    loose_fonts,
    numbered,
    one_copy,
    pages_of,
    paper_delivery,
    printed,
    printing,
    squeezed,
    stands,
)
from simulators.certify.verdict import NotApplicable, require

PAPER = (Situation.PAPER,)
NEEDS = (Printing,)
_IDENTITY = "33010619900101123X"


@check(
    "identity-number-is-masked",
    Area.EXCHANGE,
    zh=("打印件上身份证号中间隐去", "身份证号字段设为 masked;正文中的号码同样隐去"),
    en=(
        "The middle of an identity number is hidden on paper",
        "Mark the line as masked, and hide a number inside a longer text too",
    ),
    situations=PAPER,
    needs=NEEDS,
)
async def identity_is_masked(bench: Bench) -> None:
    """Sheets lie on desks and in courier bags."""
    for operation in bench.classes:
        names = [
            one.name for one in operation.request if one.type in TEXTS and (one.max_length or 99) >= len(_IDENTITY) + 3
        ]
        if not names:
            continue
        fields = {**bench.maker.fields(operation), names[-1]: f"与{_IDENTITY}同住", names[0]: _IDENTITY}
        sheet = one_copy(await a_sheet(bench, paper_delivery(bench, operation, fields=fields)))
        pdf = await printed(bench, numbered(bench, sheet))
        pages = await pages_of(pdf)
        require(not stands(pages, _IDENTITY), "{0}: an identity number is printed in full", operation.key)
        require(stands(pages, masked(_IDENTITY)), "{0}: nothing is left of an identity number", operation.key)
        return
    raise NotApplicable("no field can hold an identity number")


@check(
    "print-has-a-page-for-each-copy",
    Area.EXCHANGE,
    zh=("每联一页,且都能读出", "按 copies 打印,每联一页"),
    en=("There is a page for each copy", "Print one page a copy where it fits"),
    situations=PAPER,
    needs=NEEDS,
)
async def page_for_each_copy(bench: Bench) -> None:
    """Department, centre and file each keep one."""
    whole, pdf = await first_print(bench)
    pages, copies = await pages_of(pdf), len(whole.sheet.copies)
    require(len(pages) == copies, "{0} pages for {1} copies", len(pages), copies)


@check(
    "codes-on-every-page",
    Area.EXCHANGE,
    zh=("每页的二维码与条码都能扫出本单", "二维码写 sheet.code,条码写单号与版本"),
    en=(
        "The codes on every page can be scanned and name the sheet",
        "Print sheet.code as QR code and number with version as bar code",
    ),
    situations=PAPER,
    needs=NEEDS,
)
async def codes_on_every_page(bench: Bench) -> None:
    """The way back into the hub is a scanner."""
    whole, pdf = await first_print(bench)
    pages = await pages_of(pdf, codes=True)
    mine = {whole.code, bar_code(whole.number, whole.version)}
    for page in pages:
        require(page.codes, "a page has no code that can be scanned")
        require(page.codes <= mine, "a code on a page names another sheet")
    table = bench.subject.declared.paper if bench.subject.declared is not None else None
    told_sheet = (table or {}).get("sheet", {})
    plain = told_sheet if isinstance(told_sheet, dict) else {}
    wanted = {whole.code} if plain.get("qr", True) else set()
    wanted |= {bar_code(whole.number, whole.version)} if plain.get("barcode", "code128") == "code128" else set()
    require(all(wanted <= page.codes for page in pages), "a declared code is missing on a page")


@check(
    "print-can-be-read",
    Area.EXCHANGE,
    zh=("单号、办理意见与内容在纸面上可读", "把字段值、方框与单号原样印出,中文可提取"),
    en=(
        "Number, boxes and values can be read on the print, in Chinese too",
        "Print values, boxes and the number as they are, with a font that has them",
    ),
    situations=PAPER,
    needs=NEEDS,
)
async def can_be_read(bench: Bench) -> None:
    """A person reads it, and a machine searches it."""
    whole, pdf = await first_print(bench)
    sheet, pages = whole.sheet, await pages_of(pdf)
    flat = "".join(page.words for page in pages).replace("-", "")
    require(NUMBER in flat, "the number of the sheet cannot be read")
    for box in sheet.boxes:
        both = (f"{box.code}{box.label_zh}", f"{box.code}{box.label_en}")
        require(any(readable(flat, one) for one in both), "box {0} cannot be read", box.code)
    for line in sheet.lines:
        value = masked(line.value) if line.masked else line.value
        require(readable(flat, value[:10]), "the value of {0} cannot be read", line.name)
    for paper in sheet.materials:
        require(readable(flat, paper.name), "a paper of the list cannot be read")


def readable(flat: str, text: str) -> bool:
    """Whether a text stands in squeezed words; punctuation in full width is that in half width."""
    plain = squeezed(text).replace("-", "")
    return plain in flat or plain.replace(",", "，") in flat


@check(
    "fonts-are-embedded",
    Area.EXCHANGE,
    zh=("打印件自带全部字体", "PDF 中嵌入所用字体"),
    en=("A print brings all its fonts along", "Embed every font in the PDF"),
    situations=PAPER,
    needs=NEEDS,
)
async def fonts_are_embedded(bench: Bench) -> None:
    """The printer of a small office has no Chinese font."""
    _, pdf = await first_print(bench)
    loose = await loose_fonts(pdf)
    require(loose == 0, "{0} pieces of text are set in a font that the PDF does not hold", loose)


@check(
    "print-is-repeatable",
    Area.EXCHANGE,
    zh=("同样的打印得到相同字节", "PDF 的时间取 printed_at,不用当前时间与随机编号"),
    en=("Printing the same gives the same bytes", "Take the PDF's times from printed_at, and no random ids"),
    situations=PAPER,
    needs=NEEDS,
)
async def print_is_repeatable(bench: Bench) -> None:
    """A print is evidence."""
    whole, pdf = await first_print(bench)
    require(await printed(bench, whole) == pdf, "two prints of one sheet differ")


@check(
    "reprint-says-so",
    Area.EXCHANGE,
    zh=("补打的交办单写明是补打", "print_no 大于 1 时印出补打次数"),
    en=("A reprint says that it is one", "Print the number of the print where print_no is above 1"),
    situations=PAPER,
    needs=NEEDS,
)
async def reprint_says_so(bench: Bench) -> None:
    """Two sheets of one number must be told apart."""
    whole, pdf = await first_print(bench)
    first = await pages_of(pdf)
    second = await pages_of(await printed(bench, replace(whole, print_no=2)))
    require(
        all(one.words != two.words for one, two in zip(first, second, strict=True)), "a reprint looks like the first"
    )


@check(
    "long-content-flows-on",
    Area.EXCHANGE,
    zh=("内容多时续页,有页码,不丢内容", "内容放不下时续页并印页码;不得截断"),
    en=(
        "Long content flows to further pages with page numbers, and nothing is lost",
        "Let it flow on, number the pages, and cut nothing off",
    ),
    situations=PAPER,
    needs=NEEDS,
)
async def long_content(bench: Bench) -> None:
    """Families are large."""
    sheet = one_copy(await a_sheet(bench, paper_delivery(bench, bench.operations[0])))
    lines = [
        SheetLine(name=f"f{place}", label_zh=f"行{place}", label_en=f"L{place}", value=f"样例{place:03d}")
        for place in range(90)
    ]
    pages = await pages_of(await printed(bench, numbered(bench, replace(sheet, lines=lines))))
    require(len(pages) > len(sheet.copies), "90 lines were put on one page")
    require(all(stands(pages, line.value) for line in lines), "lines of a long sheet are lost")
    each = len(pages) // len(sheet.copies)
    require(
        all(page_number(page.words, place % each + 1, each) for place, page in enumerate(pages)),
        "pages have no numbers",
    )


def page_number(words: str, place: int, count: int) -> bool:
    """Whether a page says which of how many it is."""
    return any(
        text in words
        for text in (f"第{place}页/共{count}页", f"{place}/{count}", f"page{place}of{count}", f"Page{place}of{count}")
    )


@check(
    "handover-list-prints",
    Area.EXCHANGE,
    zh=("交接清单可打印、可扫码、不漏行", "print_handover 印出清单号、条码与每一行"),
    en=("The handover list prints, can be scanned and has every line", "Print number, code and every line of the list"),
    situations=PAPER,
    needs=NEEDS,
)
async def handover_list(bench: Bench) -> None:
    """The courier signs for it."""
    if bench.channel.courier is None:
        raise NotApplicable("no courier is declared")
    whole = handover(bench, 3)
    found = await bench.tried("print_handover", printing(bench).print_handover(whole))
    require(isinstance(found, bytes), "printing the list ended as {0}", told(found))
    assert isinstance(found, bytes)
    pages = await pages_of(found, codes=True)
    require(any(LIST_NUMBER in page.codes for page in pages), "the number of the list cannot be scanned")
    flat = "".join(page.words for page in pages).replace("-", "")
    require(all(line.sheet_no in flat for line in whole.lines), "a sheet of the list is not on it")
    require(await printing(bench).print_handover(whole) == found, "two prints of one list differ")


CHECKS = (
    identity_is_masked,
    page_for_each_copy,
    codes_on_every_page,
    can_be_read,
    fonts_are_embedded,
    print_is_repeatable,
    reprint_says_so,
    long_content,
    handover_list,
)
