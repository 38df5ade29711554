"""What a person, or a scanner, gets from a printed task sheet: its codes and its words. Nothing else of the hub is known here."""

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import pypdfium2
import pypdfium2.raw as pdfium
import zxingcpp

from contracts.task_sheet import bar_code, parse_sheet_code

_BOX = re.compile(r"□ ([A-Z0-9]{1,8}) (.+?)(?= *□|\r?$)", re.MULTILINE)
_PAPER = re.compile(r"(?:^|\s)[0-9]+ (\S.*) [0-9]+ [0-9]+ [0-9]+\r?$", re.MULTILINE)
_FORM = re.compile(r"(?:表号|form) (\S+)")
_CASE = re.compile(r"(?:办件编号|Case number) (\S+)")
_CELL_POINTS = 150.0
"""A label stays within this distance of its number; the next label of the row stands further away."""

_HINTS = (
    ("date", re.compile(r"年\s*月\s*日|YYYY-MM-DD")),
    ("month", re.compile(r"年\s*月|YYYY-MM")),
    ("bool", re.compile(r"□ (?:是|yes)")),
    ("int", re.compile("整数|whole number")),
    ("decimal", re.compile("数值|number")),
    ("money", re.compile("元|CNY")),
)

# PDFium is not safe for use from several threads.
_pdfium = Lock()


class UnreadableSheetError(Exception):
    """No sheet can be made out: half a file, a foreign paper, or codes that contradict each other."""


@dataclass(frozen=True, slots=True)
class Blank:
    """A numbered line to fill in. ``kind``: what its hint asks for, ``string`` without one."""

    label: str
    kind: str


@dataclass(frozen=True, slots=True)
class ReadSheet:
    """A sheet as it lies on the desk. ``code``: text of the QR code; ``boxes``: (letter, words) in the order of the page.

    ``digest``: SHA-256 of this print, in hex.
    """

    code: str
    number: str
    version: int
    form: str
    case_no: str
    boxes: tuple[tuple[str, str], ...]
    blanks: tuple[Blank, ...]
    papers: tuple[str, ...]
    pages: int
    digest: str


def read_sheet(pdf: Path, dots_per_inch: int = 150) -> ReadSheet:
    """Rasterise the first page, read its codes, take its words. Blocks. Raises UnreadableSheetError, OSError."""
    content = pdf.read_bytes()
    with _pdfium:
        try:
            document = pypdfium2.PdfDocument(io.BytesIO(content))
        except pypdfium2.PdfiumError as error:
            raise UnreadableSheetError("this file is no PDF, or not a whole one") from error
        try:
            page = document[0]
            image = page.render(scale=dots_per_inch / 72, grayscale=True).to_pil()
            words = page.get_textpage()
            text = words.get_text_range()
            blanks = tuple(_blanks(words))
            pages = len(document)
        finally:
            document.close()
    codes = {code.format: code.text for code in zxingcpp.read_barcodes(image)}
    qr, bars = codes.get(zxingcpp.BarcodeFormat.QRCode), codes.get(zxingcpp.BarcodeFormat.Code128)
    if qr is None:
        raise UnreadableSheetError("the page has no QR code")
    try:
        sheet = parse_sheet_code(qr)
    except ValueError as error:
        raise UnreadableSheetError("the QR code is not that of a task sheet") from error
    if bars is not None and bars != bar_code(sheet.number, sheet.version):
        raise UnreadableSheetError("the bar code says another sheet than the QR code")
    return ReadSheet(
        code=qr,
        number=sheet.number,
        version=sheet.version,
        form=_first(_FORM, text),
        case_no=_first(_CASE, text),
        boxes=tuple((found[1], found[2].strip()) for found in _BOX.finditer(text)),
        blanks=blanks,
        papers=tuple(found[1] for found in _PAPER.finditer(text)),
        pages=pages,
        digest=hashlib.sha256(content).hexdigest(),
    )


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


def _blanks(words: pypdfium2.PdfTextPage) -> Iterator[Blank]:
    """Each line that starts with a number in a circle: its label may be broken in two, its hint stands right of it."""
    count = words.count_chars()
    text = "".join(chr(pdfium.FPDFText_GetUnicode(words, place)) for place in range(count))
    starts = [place for place, character in enumerate(text) if "①" <= character <= "⑳"]
    for start in starts:
        left = words.get_charbox(start)[0]
        size = pdfium.FPDFText_GetFontSize(words, start)
        label: list[str] = []
        end = start + 1
        while end < count and end not in starts:
            if not text[end].isspace():
                near = abs(words.get_charbox(end)[0] - left) < _CELL_POINTS
                if not near or abs(pdfium.FPDFText_GetFontSize(words, end) - size) > 0.1:
                    break
            label.append(text[end])
            end += 1
        until = min((place for place in starts if place > start), default=count)
        beside = text[end:until].strip()
        kind = next((kind for kind, hint in _HINTS if hint.match(beside)), "string")
        yield Blank(label="".join("".join(label).split("\r\n")).strip(), kind=kind)
