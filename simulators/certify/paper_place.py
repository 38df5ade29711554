"""Where a paper channel is certified: sheets as the hub numbers them, and their prints as a stranger reads them."""

import asyncio
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium
import zxingcpp

from contracts.catalogue import Operation
from contracts.delivery import AwaitingReply, Delivery, Document
from contracts.handover import Handover, HandoverLine
from contracts.plugin import Printing
from contracts.records import record
from contracts.task_sheet import NumberedSheet, TaskSheet, content_hash, sheet_code
from simulators.certify.bench import Bench
from simulators.certify.checks.mapping import told
from simulators.certify.verdict import Failed, require

NUMBER = "7K3M9QX2ABCD"
LIST_NUMBER = "JJ330106901202603020010"
_NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
_DOTS_PER_INCH = 150
_reading = Lock()
"""PDFium is not safe for use from several threads."""


@record
class Page:
    """A page as it lies on the desk: its words without the blanks between them, and the texts of its codes."""

    words: str
    codes: frozenset[str]


def printing(bench: Bench) -> Printing:
    """The gateway, which prints."""
    whole: object = bench.gateway
    assert isinstance(whole, Printing)
    return whole


def paper_delivery(bench: Bench, operation: Operation, **changes: Any) -> Delivery:
    """A delivery with two papers."""
    materials = [
        Document(key="", kind="m1", name="样例户口簿", media_type="", size=0, originals=1, copies=2, pages=6),
        Document(key="", kind="m2", name="样例申请书", media_type="", size=0, copies=1, pages=3),
    ]
    return bench.delivery(operation, **{"materials": materials, **changes})


async def a_sheet(bench: Bench, delivery: Delivery) -> TaskSheet:
    """The sheet of a delivery. Raises Failed."""
    outcome = await bench.deliver(delivery)
    if not isinstance(outcome, AwaitingReply) or outcome.task_sheet is None:
        raise Failed("{0} ended as {1}, not as a task sheet that awaits its reply", delivery.operation, told(outcome))
    return outcome.task_sheet


def numbered(bench: Bench, sheet: TaskSheet, **changes: Any) -> NumberedSheet:
    """A sheet with all that the hub adds."""
    whole = NumberedSheet(
        sheet=sheet,
        number=NUMBER,
        version=1,
        code=sheet_code(NUMBER, 1, bytes(range(16))),
        content_hash=content_hash(sheet),
        print_no=1,
        printed_at=_NOON,
        case_no="330106901202603020000013",
        item_name="样例事项",
        centre_name="样例受理中心",
        department_name=bench.subject.department_zh,
        received_at=_NOON - timedelta(days=2),
        due_at=_NOON + timedelta(days=5),
        lamp="yellow",
        clerk="样例 0317",
    )
    return replace(whole, **changes)


async def first_print(bench: Bench) -> tuple[NumberedSheet, bytes]:
    """A sheet that fits on a page, printed once for all who want to read it. Raises Failed."""
    if bench.first_print is None:
        sheet = await a_sheet(bench, paper_delivery(bench, bench.operations[0]))
        whole = numbered(bench, replace(sheet, lines=list(sheet.lines)[:5]))
        bench.first_print = whole, await printed(bench, whole)
    return bench.first_print


def one_copy(sheet: TaskSheet) -> TaskSheet:
    """The same for the department alone, which costs less."""
    return replace(sheet, copies=list(sheet.copies)[:1])


async def printed(bench: Bench, *sheets: NumberedSheet) -> bytes:
    """One PDF of the sheets. Raises Failed."""
    found = await bench.tried("print_sheets", printing(bench).print_sheets(sheets))
    if not isinstance(found, bytes):
        raise Failed("printing ended as {0}", told(found))
    return found


def handover(bench: Bench, lines: int, **changes: Any) -> Handover:
    """A handover list of so many sheets."""
    rows = [
        HandoverLine(
            seq=place,
            sheet_no=f"7K3M9QX2AB{place:02d}",
            sheet_version=1,
            case_no=f"3301069012026030200000{place:02d}",
            item_name="样例事项",
            applicant="样*",
            originals=1,
            copies=2,
            pages=6,
        )
        for place in range(1, lines + 1)
    ]
    whole = Handover(
        number=LIST_NUMBER,
        centre_name="样例受理中心",
        department_name=bench.subject.department_zh,
        carrier="courier",
        run_at=_NOON,
        made_at=_NOON,
        made_by="样例 0317",
        print_no=1,
        printed_at=_NOON,
        lines=rows,
    )
    return replace(whole, **changes)


async def pages_of(pdf: bytes, *, codes: bool = False) -> Sequence[Page]:
    """What stands on each page. Raises Failed where it is no PDF."""
    return await asyncio.to_thread(_pages, pdf, codes)


def _pages(pdf: bytes, codes: bool) -> Sequence[Page]:
    with _reading, _document(pdf) as document:
        return [_page(page, codes) for page in document]


def _page(page: pypdfium2.PdfPage, codes: bool) -> Page:
    image = page.render(scale=_DOTS_PER_INCH / 72, grayscale=True).to_pil() if codes else None
    found = zxingcpp.read_barcodes(image) if image is not None else ()
    return Page(words=squeezed(page.get_textpage().get_text_range()), codes=frozenset(one.text for one in found))


async def loose_fonts(pdf: bytes) -> int:
    """How many pieces of text are set in a font that the PDF does not bring along. Raises Failed."""
    return await asyncio.to_thread(_loose_fonts, pdf)


def _loose_fonts(pdf: bytes) -> int:
    loose = 0
    with _reading, _document(pdf) as document:
        for page in document:
            # Objects live as long as their page does, so that each is looked at while it is in hand.
            for piece in page.get_objects(filter=(pdfium.FPDF_PAGEOBJ_TEXT,)):
                loose += not pdfium.FPDFFont_GetIsEmbedded(pdfium.FPDFTextObj_GetFont(piece.raw))
    return loose


@contextmanager
def _document(pdf: bytes) -> Iterator[pypdfium2.PdfDocument]:
    try:
        document = pypdfium2.PdfDocument(io.BytesIO(pdf))
    except pypdfium2.PdfiumError as error:
        raise Failed("what was printed is no PDF") from error
    try:
        yield document
    finally:
        document.close()


def squeezed(text: str) -> str:
    """Words without blanks: a cell breaks its lines where it likes."""
    return "".join(text.split())


def stands(pages: Sequence[Page], text: str) -> bool:
    """Whether a text can be read on one of the pages."""
    return any(squeezed(text) in page.words for page in pages)


class _Calls:
    """Connections that this process opens, while somebody counts."""

    def __init__(self) -> None:
        self.counting = False
        self.count = 0
        self.hooked = False

    def heard(self, event: str, _arguments: tuple[object, ...]) -> None:
        if self.counting and event in {"socket.connect", "socket.sendto", "subprocess.Popen"}:
            self.count += 1


_calls = _Calls()


@contextmanager
def nothing_leaves() -> Iterator[None]:
    """Raises Failed where this process calls out before the block ends."""
    if not _calls.hooked:
        # An audit hook stays for good; this one hears nothing while nobody counts.
        sys.addaudithook(_calls.heard)
        _calls.hooked = True
    _calls.count, _calls.counting = 0, True
    try:
        yield
    finally:
        _calls.counting = False
    require(_calls.count == 0, "something left the house before anybody printed")
