"""The task sheet 交办单: what a department without IT gets in its hands.

The paper gateway says what the sheet must carry; the hub numbers it, versions it and counts its prints.
The number is 12 characters of base32 without I, L, O, U: nine random, three of a keyed MAC; it says nothing of the case.
"""

from collections.abc import Sequence
from datetime import datetime

from contracts.records import record

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
