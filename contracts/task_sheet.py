"""The task sheet 交办单: what a department without IT gets in its hands.

The paper gateway says what the sheet must carry; the hub numbers it, versions it and counts its prints.
The number is 12 characters of base32 without I, L, O, U: nine random, three of a keyed MAC; it says nothing of the case.

    QR code     ODS1:<number>:<version, two digits>:<MAC of 16 bytes over number, version and content hash, 26 characters>
    Code 128    <number><version, two digits>
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from contracts.records import adapter, record

SHEET_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base32: no I, L, O, U, so that a number read aloud or keyed by hand is not misread."""


@record
class SheetLine:
    """A labelled value to print. ``masked`` values are printed with their middle hidden."""

    name: str
    label_zh: str
    label_en: str
    value: str
    masked: bool = False


@record
class SheetBox:
    """A tick box of the department's part; ``code`` is what the confirmation carries."""

    code: str
    label_zh: str
    label_en: str


@record
class SheetMaterial:
    """A line of the materials list: originals and copies that go with the sheet."""

    name: str
    originals: int
    copies: int
    pages: int


@record
class TaskSheet:
    """Content of a sheet, the same for the same delivery. Its hash, not its bytes as PDF, makes a version."""

    form: str
    title_zh: str
    title_en: str
    todo_zh: str
    todo_en: str
    lines: Sequence[SheetLine]
    boxes: Sequence[SheetBox]
    reply_lines: Sequence[SheetLine] = ()
    materials: Sequence[SheetMaterial] = ()
    copies: Sequence[str] = ("department", "centre", "file")
    notice_zh: str = ""
    notice_en: str = ""


@record
class NumberedSheet:
    """A sheet as it is printed: the content and all that the hub adds. ``code`` is the text of the QR code.

    ``print_no`` 1 is the first print; later ones are marked 补打第 n 次. ``content_hash`` is lower-case hex SHA-256.
    """

    sheet: TaskSheet
    number: str
    version: int
    code: str
    content_hash: str
    print_no: int
    printed_at: datetime
    case_no: str
    item_name: str
    centre_name: str
    department_name: str
    received_at: datetime
    due_at: datetime | None
    lamp: str
    clerk: str


@record
class SheetCode:
    """What a scanned code says. ``mac`` is None for the Code 128, which has no room for it; the hub checks it, not we."""

    number: str
    version: int
    mac: bytes | None


_LOOKALIKES = str.maketrans({"O": "0", "I": "1", "L": "1", " ": None, "-": None, "\u2010": None})
_NUMBER = re.compile(f"[{SHEET_ALPHABET}]{{12}}")
_QR_TEXT = re.compile("ODS1:([^:]+):([0-9]{2}):([^:]+)", re.ASCII)
_BAR_TEXT = re.compile("(.{12})([0-9]{2})", re.ASCII)


def crockford(data: bytes) -> str:
    """``data`` as one big-endian number in base32: 16 bytes give 26 characters."""
    value = int.from_bytes(data)
    length = -(-len(data) * 8 // 5)
    return "".join(SHEET_ALPHABET[value >> 5 * place & 31] for place in reversed(range(length)))


def sheet_number(text: str) -> str:
    """The number as it was read aloud or keyed by hand: any case, full width, spaces, hyphens, O for 0, I or L for 1.

    Raises ValueError, which repeats nothing of the text.
    """
    number = unicodedata.normalize("NFKC", text).strip().upper().translate(_LOOKALIKES)
    if not _NUMBER.fullmatch(number):
        raise ValueError("a sheet number has 12 characters: digits and letters without I, L, O and U")
    return number


def sheet_code(number: str, version: int, mac: bytes) -> str:
    """The text of the QR code. Raises ValueError for a version that two digits cannot say or a MAC that has not 16 bytes."""
    if len(mac) != 16:
        raise ValueError("the MAC of a sheet has 16 bytes")
    return f"ODS1:{bar_code(number, version)[:12]}:{version:02d}:{crockford(mac)}"


def bar_code(number: str, version: int) -> str:
    """The text of the Code 128, 14 characters. Raises ValueError as ``sheet_code`` does."""
    if not 1 <= version <= 99:
        raise ValueError("a sheet has versions 1 to 99: after that it needs a new number")
    return f"{sheet_number(number)}{version:02d}"


def parse_sheet_code(text: str) -> SheetCode:
    """What a scanner typed, of either code. Raises ValueError, which repeats nothing of the text."""
    plain = unicodedata.normalize("NFKC", text).strip().upper()
    qr = _QR_TEXT.fullmatch(plain)
    parts = qr or _BAR_TEXT.fullmatch(plain)
    if parts is None or parts[2] == "00":
        raise ValueError("this is not the code of a task sheet: scan the QR code or the bar code of the sheet")
    return SheetCode(number=sheet_number(parts[1]), version=int(parts[2]), mac=_mac(parts[3]) if qr else None)


def _mac(text: str) -> bytes:
    value = 0
    digits = text.translate(_LOOKALIKES)
    for digit in digits:
        place = SHEET_ALPHABET.find(digit)
        if place < 0:
            raise ValueError("the check part of this code holds a foreign character: scan it again")
        value = value << 5 | place
    if len(digits) != 26 or value >> 128:
        raise ValueError("the check part of this code is cut off: scan it again")
    return value.to_bytes(16)


def masked(value: str) -> str:
    """A value with its middle hidden: of an identity number three characters stay in front and four behind."""
    if len(value) >= 11:
        front, back = 3, 4
    elif len(value) >= 4:
        front, back = 1, 1
    else:
        front, back = 0, 0
    return value[:front] + "*" * (len(value) - front - back) + value[len(value) - back :]


def sheet_content(sheet: TaskSheet) -> bytes:
    """The content in one canonical form (JSON, UTF-8, sorted keys)."""
    return json.dumps(
        adapter(TaskSheet).dump_python(sheet, mode="json"), ensure_ascii=False, sort_keys=True, separators=(",", ":")
    ).encode()


def content_hash(sheet: TaskSheet) -> str:
    """Lower-case hex SHA-256 of the content as it is printed: two sheets that read the same have the same hash.

    Masked values go in masked. The hash stands on the paper, and a plain hash over an identity number of which
    most is known would give the rest away in a second.
    """
    lines = [replace(line, value=masked(line.value)) if line.masked else line for line in sheet.lines]
    return hashlib.sha256(sheet_content(replace(sheet, lines=lines))).hexdigest()


POSSIBLE_DUPLICATE = ("可能已在系统受理，请先查询", "This may already be in the system: look it up first")
"""Printed on a sheet whose message may have reached the department by another way: an earlier print, another channel."""


def with_duplicate_warning(sheet: TaskSheet) -> TaskSheet:
    """The same sheet with the warning before any other notice. A sheet that has it already stays as it is."""
    warning_zh, warning_en = POSSIBLE_DUPLICATE
    if warning_zh in sheet.notice_zh:
        return sheet
    return replace(
        sheet,
        notice_zh="。".join(filter(None, (warning_zh, sheet.notice_zh))),
        notice_en=". ".join(filter(None, (warning_en, sheet.notice_en))),
    )
