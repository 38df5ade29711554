"""Fixed-width records, counted in bytes of the encoding: a character is never cut in half, what is too long is refused."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from adapters.file_totals import (
    NO_FACTS,
    FileFacts,
    Tally,
    TotalField,
    Totals,
    before_last_line,
    check,
    check_declared,
    texts_of,
)
from adapters.record_layout import EOL, NUMBERS, Cell, Columns, encoded, sum_of
from adapters.record_verdicts import FileRejected, Line, RecordRefused
from adapters.text_encodings import Encoding, EncodingRefused, to_text, without_mark
from contracts.records import record


@record
class RecordType:
    """A constant in front of every record, that tells it from header and trailer."""

    name: str
    width: Annotated[int, Field(gt=0)] = 1
    value: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$")]


@record
class CodeCell:
    """The operation code: its name, for the reader of the declaration, and its width."""

    name: str
    width: Annotated[int, Field(gt=0)]


@record
class Fixed:
    """Text left-aligned and padded with spaces, numbers right-aligned and padded with zeros; without a value, all spaces.

    A record is its type (if declared), then the leading values, then those of its operation; operations differ in length.
    """

    encoding: Encoding
    columns: Columns = Columns()
    widths: Literal["bytes"] = "bytes"
    pad_text: Literal["space right"] = "space right"
    pad_number: Literal["zero left", "space left"] = "zero left"
    eol: Literal["CRLF", "LF"] = "CRLF"
    record_type: RecordType | None = None
    operation_code: CodeCell | None = None
    header: Totals | None = None
    trailer: Totals | None = None
    fee_cents_per_row: int | None = None

    def __post_init__(self) -> None:
        """Raises ValueError where a width is missing or a total cannot be computed."""
        check_declared(self.header, self.trailer, self.fee_cents_per_row)
        if missing := [cell.name for cell in self.columns.every() if not cell.width]:
            raise ValueError(f"width_bytes is missing for {', '.join(dict.fromkeys(missing))}")
        totals = [field for part in (self.header, self.trailer) if part for field in part.fields]
        if any(field.width is None for field in totals):
            raise ValueError("every field of a header or trailer needs a width")
        if self.record_type and len(self.record_type.value) > self.record_type.width:
            raise ValueError("record_type has no room for its value")

    def record(self, values: Sequence[str], /) -> bytes:
        """One line. Raises RecordRefused where reading it back would give anything but ``values``."""
        cells = self.columns.cells(values)
        padded = [
            self._padded(cell, value, place) for place, (cell, value) in enumerate(zip(cells, values, strict=True), 1)
        ]
        content = self._type() + b"".join(padded)
        if b"\n" in content or b"\r" in content or self._line(1, content).values != tuple(values):
            raise RecordRefused("a value has a line break, spaces at its end or a form that padding would change")
        return content + EOL[self.eol].encode()

    def file(self, records: Sequence[bytes], /, facts: FileFacts = NO_FACTS) -> bytes:
        """Header, records in their order, trailer. Raises RecordRefused for a total that has no room."""

        def tally(before: bytes) -> Tally:
            return Tally(rows=len(records), before=before, cents=lambda total: self._cents(total, self._lines(records)))

        content = b"".join([self._totals(self.header, facts, tally(b"")), *records])
        return content + self._totals(self.trailer, facts, tally(content))

    def lines(self, content: bytes, /, *, whole: bool = False, facts: FileFacts = NO_FACTS) -> Sequence[Line]:
        """Every record. Raises FileRejected: ``truncated``, ``header``, ``trailer``, or by the name of a total that is not true."""
        text = without_mark(content, self.encoding)
        if text and not text.endswith(b"\n") and not whole:
            raise FileRejected("truncated", "the last line has no line end")
        raw = [(number, line.removesuffix(b"\r")) for number, line in enumerate(text.split(b"\n"), 1)]
        raw = [(number, line) for number, line in raw if line]
        first = self._taken(raw, self.header, "header", 0)
        last = self._taken(raw, self.trailer, "trailer", -1)
        lines = [self._line(number, line) for number, line in raw]
        tally = Tally(rows=len(lines), before=before_last_line(content), cents=lambda total: self._cents(total, lines))
        for totals, texts in ((self.header, first), (self.trailer, last)):
            if totals is not None:
                check(totals, texts, tally)
        return lines

    def _type(self) -> bytes:
        return self.record_type.value.ljust(self.record_type.width).encode() if self.record_type else b""

    def _lines(self, records: Sequence[bytes]) -> Sequence[Line]:
        return [self._line(number, line.rstrip(b"\r\n")) for number, line in enumerate(records, 1)]

    def _cents(self, total: TotalField, lines: Sequence[Line]) -> int | None:
        return sum_of(self.columns, self.fee_cents_per_row, total, lines)

    def _padded(self, cell: Cell, value: str, place: int) -> bytes:
        width = cell.width or 0
        if cell.kind in NUMBERS and value:
            if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value, re.ASCII):
                raise RecordRefused(f"value {place} is no number")
            content = (value.zfill(width) if self.pad_number == "zero left" else value.rjust(width)).encode()
        else:
            content = encoded(value, place, self.encoding).ljust(width)
        if len(content) > width:
            raise RecordRefused(f"value {place} takes {len(content)} bytes and has {width}")
        return content

    def _totals(self, totals: Totals | None, facts: FileFacts, tally: Tally) -> bytes:
        if totals is None:
            return b""
        texts = texts_of(totals, facts, tally)
        sized = [text.zfill(field.width or 0) for field, text in zip(totals.fields, texts, strict=True)]
        content = (totals.record_type + "".join(sized)).encode()
        if len(content) != self._length(totals):
            raise RecordRefused("a total has no room in its header or trailer")
        return content + EOL[self.eol].encode()

    @staticmethod
    def _length(totals: Totals) -> int:
        return len(totals.record_type) + sum(field.width or 0 for field in totals.fields)

    def _taken(self, raw: list[tuple[int, bytes]], totals: Totals | None, part: str, place: int) -> Sequence[str]:
        """Take the header or trailer out of ``raw``; its values."""
        if totals is None:
            return ()
        line = raw[place][1] if raw else b""
        if len(line) != self._length(totals) or not line.startswith(totals.record_type.encode()) or not line.isascii():
            raise FileRejected(part, f"the {part} is not the declared one")
        del raw[place]
        texts: list[str] = []
        at = len(totals.record_type)
        for field in totals.fields:
            texts.append(line[at : at + (field.width or 0)].decode())
            at += field.width or 0
        return texts

    def _line(self, number: int, raw: bytes) -> Line:
        """One record by its bytes. What is wrong with it is said with its first value, where that can be read."""
        kind, rest = self._type(), raw
        first = raw[len(kind) : len(kind) + self._first_width()].decode("ascii", "ignore").strip()
        if not rest.startswith(kind):
            return Line(number=number, bad="record_type", first=first)
        rest = rest[len(kind) :]
        try:
            lead = list(self._cut(self.columns.lead, rest))
            shape = self.columns.shape(lead)
            if shape is None:
                return Line(number=number, bad="operation", first=first)
            cells = (*self.columns.lead, *shape)
            if len(rest) != sum(cell.width or 0 for cell in cells):
                return Line(number=number, bad="length", first=first)
            return Line(number=number, values=tuple(self._cut(cells, rest)), first=first)
        except EncodingRefused:
            return Line(number=number, bad="encoding", first=first)

    def _first_width(self) -> int:
        return (self.columns.lead[0].width or 0) if self.columns.lead else 0

    def _cut(self, cells: Sequence[Cell], raw: bytes) -> Iterator[str]:
        """The values of ``cells``. Spaces are stripped as bytes: they are no second byte of any declared encoding."""
        at = 0
        for cell in cells:
            piece = raw[at : at + (cell.width or 0)]
            at += cell.width or 0
            if cell.kind in NUMBERS:
                yield _number(to_text(piece.strip(b" "), self.encoding))
            else:
                yield to_text(piece.rstrip(b" "), self.encoding)


def _number(text: str) -> str:
    """Without the zeros that only pad; anything else stays as it is and is refused where it is typed."""
    found = re.fullmatch(r"(-?)0*([0-9]+(?:\.[0-9]+)?)", text, re.ASCII)
    return text if found is None else f"{found[1]}{found[2]}"
