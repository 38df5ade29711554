"""Records in an INI-like text: a section for what the file says of itself, then a numbered section for each record.

    [HEAD]
    rows=1
    [ROW1]
    YWDM=WJ01
    LSH=...
    [END]

Values are plain: no quotes, no escapes, no continuation. A line that begins with ``;`` or ``#`` is a comment, where it is read. Every record
has the operation's own keys, in any order, and no others.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from adapters.file_totals import NO_FACTS, FileFacts, Tally, Totals, check, check_declared, texts_of
from adapters.record_layout import EOL, Columns, encoded, sum_of
from adapters.record_verdicts import FileRejected, Line, RecordRefused
from adapters.text_encodings import Encoding, EncodingRefused, to_text, without_mark
from contracts.records import record

_NAME = r"[A-Za-z][A-Za-z0-9_]{0,31}"
_SECTION = re.compile(rf"\[({_NAME})\]")


@record
class Ini:
    """``section``: what the sections of records are called, before their number. ``header``: its ``record_type`` is the first section.

    ``operation_key``: where a record carries its operation code. ``end``: the section after all records, which proves that the last one
    is whole; where a partner has none (empty), only a control file with a digest or a size can.
    """

    encoding: Encoding
    columns: Columns = Columns()
    section: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z_]{0,30}$")] = "ROW"
    operation_key: Annotated[str, Field(pattern=rf"^{_NAME}$")] | None = None
    end: Annotated[str, Field(pattern=r"^[A-Za-z_]{0,16}$")] = "END"
    eol: Literal["CRLF", "LF"] = "CRLF"
    header: Totals | None = None
    fee_cents_per_row: int | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for columns that cannot be keys, and totals that cannot be computed."""
        check_declared(self.header, None, self.fee_cents_per_row)
        if strange := [cell.name for cell in self.columns.every() if not re.fullmatch(_NAME, cell.name)]:
            raise ValueError(f"{', '.join(dict.fromkeys(strange))} cannot be a key")
        if self.header is not None and not re.fullmatch(r"[A-Za-z_]{1,16}", self.header.record_type):
            raise ValueError("the header's record_type names a section")

    def record(self, values: Sequence[str], /) -> bytes:
        """The keys of one record, without its section. Raises RecordRefused where reading it back would give anything but ``values``."""
        cells = self.columns.cells(values)
        for place, value in enumerate(values, 1):
            encoded(value, place, self.encoding)
            if value != value.strip() or any(ord(char) < 32 for char in value):
                raise RecordRefused("a value holds a line break, or blanks at its ends, which this layout cannot carry")
        keys = dict(zip((cell.name for cell in cells), values, strict=True))
        if len(keys) != len(cells):
            raise RecordRefused("two values of a record have the same key")
        text = "".join(f"{key}={value}{EOL[self.eol]}" for key, value in keys.items() if value or key == cells[0].name)
        return encoded(text, 1, self.encoding)

    def file(self, records: Sequence[bytes], /, facts: FileFacts = NO_FACTS) -> bytes:
        """The head, then every record under its number."""
        eol = EOL[self.eol].encode()
        head = b""
        if self.header is not None:
            rows = [self._line(number, content.splitlines()) for number, content in enumerate(records, 1)]
            tally = self._tally(rows)
            told = zip(self.header.fields, texts_of(self.header, facts, tally), strict=True)
            head = f"[{self.header.record_type}]{EOL[self.eol]}".encode()
            head += b"".join(f"{field.name}={text}{EOL[self.eol]}".encode() for field, text in told)
        sections = (f"[{self.section}{number}]".encode() + eol + content for number, content in enumerate(records, 1))
        return head + b"".join(sections) + (f"[{self.end}]".encode() + eol if self.end else b"")

    def lines(self, content: bytes, /, *, whole: bool = False, facts: FileFacts = NO_FACTS) -> Sequence[Line]:
        """Every record; its number is that of its section. Raises FileRejected: ``truncated``, ``structure``, ``header``, a total's name."""
        sections = _sections(without_mark(content, self.encoding))
        last = sections.pop() if self.end and sections else ("", [])
        if last != (self.end, []) or not (self.end or whole):
            raise FileRejected("truncated", "nothing proves that the last record is whole")
        head = None
        if self.header is not None:
            if not sections or sections[0][0] != self.header.record_type:
                raise FileRejected("header", "the file does not begin with its head")
            head = _pairs(sections.pop(0)[1])
        rows = []
        for number, (name, body) in enumerate(sections, 1):
            if name != f"{self.section}{number}":
                raise FileRejected("structure", f"section {number} is not the declared one")
            rows.append(self._line(number, body))
        if self.header is not None:
            names = [field.name for field in self.header.fields]
            if head is None or set(head) != set(names):
                raise FileRejected("header", "the head does not have the declared keys")
            check(self.header, [head[name] for name in names], self._tally(rows))
        return rows

    def _tally(self, rows: Sequence[Line]) -> Tally:
        return Tally(
            rows=len(rows), before=b"", cents=lambda total: sum_of(self.columns, self.fee_cents_per_row, total, rows)
        )

    def _line(self, number: int, body: Sequence[bytes]) -> Line:
        first = self.columns.lead[0].name if self.columns.lead else ""
        try:
            told = _pairs([to_text(line, self.encoding).encode() for line in body])
        except EncodingRefused:
            known = _pairs([line for line in body if line.isascii()]) or {}
            return Line(number=number, bad="encoding", first=known.get(first, ""))
        if told is None:
            known = _pairs([line for line in body if line.startswith(first.encode() + b"=")]) or {}
            return Line(number=number, bad="structure", first=known.get(first, ""))
        lead = [told.pop(cell.name, "") for cell in self.columns.lead]
        shape = self.columns.shape(lead)
        if shape is None:
            return Line(number=number, bad="operation", first=lead[0] if lead else "")
        values = (*lead, *(told.pop(cell.name, "") for cell in shape))
        if told:
            return Line(number=number, bad="columns", first=lead[0] if lead else "")
        return Line(number=number, values=values, first=lead[0] if lead else "")


def _sections(content: bytes) -> list[tuple[str, list[bytes]]]:
    """Each section with its lines; blank lines and comments are none. Raises FileRejected (``structure``).

    Splitting bytes is safe: LF and CR are no second byte of any declared encoding, and a section's line is plain ASCII.
    """
    found: list[tuple[str, list[bytes]]] = []
    for raw in content.split(b"\n"):
        line = raw.removesuffix(b"\r")
        if not line.strip() or line[:1] in (b";", b"#"):
            continue
        name = _SECTION.fullmatch(line.decode("ascii", "replace").strip())
        if name is not None:
            found.append((name[1], []))
        elif not found:
            raise FileRejected("structure", "a line stands before the first section")
        else:
            found[-1][1].append(line)
    return found


def _pairs(body: Sequence[bytes]) -> dict[str, str] | None:
    """The keys of a section; None where a line is no pair or a key stands twice."""
    found: dict[str, str] = {}
    for line in body:
        key, sign, value = line.decode("utf-8", "replace").partition("=")
        if not sign or not re.fullmatch(_NAME, key.strip()) or key.strip() in found:
            return None
        found[key.strip()] = value.strip()
    return found
