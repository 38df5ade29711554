"""CSV and its many cousins: values between separators of any length."""

from collections.abc import Sequence
from dataclasses import replace
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
from adapters.record_layout import EOL, Columns, bad, encoded, sum_of
from adapters.record_verdicts import FileRejected, Line, RecordRefused
from adapters.text_encodings import Encoding, EncodingRefused, to_text, without_mark
from contracts.records import record

MAX_SPAN = 100
"""A quoted value may hold line breaks, but an unclosed quote must not swallow the rest of a file."""


@record
class Csv:
    """Values between separators of any length; without ``quote`` nothing is quoted. With a header row every record has all columns.

    Written with the declared line end; read with CRLF or LF, since values cannot contain a bare one unless they are quoted.
    Blank lines are no records. A declared ``header`` comes before the header row, a ``trailer`` is the last line.
    """

    encoding: Encoding
    columns: Columns = Columns()
    delimiter: Annotated[str, Field(min_length=1, pattern=r"^[\x20-\x7e\t]+$")] = ","
    quote: Literal['"', "'"] | None = None
    eol: Literal["CRLF", "LF"] = "CRLF"
    header_row: bool = False
    header: Totals | None = None
    trailer: Totals | None = None
    fee_cents_per_row: int | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for totals that cannot be computed."""
        check_declared(self.header, self.trailer, self.fee_cents_per_row)

    def record(self, values: Sequence[str], /) -> bytes:
        """One line. Raises RecordRefused where reading it back would give anything but ``values``."""
        return self._row(self.columns.spread(values) if self.header_row else values)

    def file(self, records: Sequence[bytes], /, facts: FileFacts = NO_FACTS) -> bytes:
        """Header, header row, the records in their order, trailer: whatever of it is declared."""
        titles = self._row(self._titles()) if self.header_row else b""

        def tally(before: bytes) -> Tally:
            return Tally(rows=len(records), before=before, cents=lambda total: self._cents(total, records))

        head = self._totals(self.header, facts, tally(b"")) + titles
        content = b"".join([head, *records])
        return content + self._totals(self.trailer, facts, tally(content))

    def lines(self, content: bytes, /, *, whole: bool = False, facts: FileFacts = NO_FACTS) -> Sequence[Line]:
        """Every record. Raises FileRejected: ``truncated`` where the last line has no end, ``header`` or ``trailer`` where that
        is not the declared one, and by the name of a total that is not true."""
        text = without_mark(content, self.encoding)
        if text and not text.endswith(b"\n") and not whole:
            raise FileRejected("truncated", "the last line has no line end")
        raw = _physical(text, self.quote)
        first = self._taken(raw, self.header, "header", 0)
        last = self._taken(raw, self.trailer, "trailer", -1)
        lines = [self._line(number, one) for number, one in raw]
        if self.header_row:
            lines = self._below_titles(lines)
        tally = Tally(
            rows=len(lines),
            before=before_last_line(content),
            cents=lambda total: sum_of(self.columns, self.fee_cents_per_row, total, lines),
        )
        for totals, texts in ((self.header, first), (self.trailer, last)):
            if totals is not None:
                check(totals, texts, tally)
        return lines

    def _titles(self) -> tuple[str, ...]:
        return tuple(cell.name for cell in self.columns.union())

    def _row(self, values: Sequence[str]) -> bytes:
        cells = [self._cell(value) for value in values]
        text = self.delimiter.join(cells)
        content = self.delimiter.encode().join(
            encoded(cell, place, self.encoding) for place, cell in enumerate(cells, 1)
        )
        # The one proof that separators, quotes and line breaks inside of values do no harm.
        bare_break = self.quote is None and "\r" in text
        if bare_break or _physical(content + b"\n", self.quote) != [(1, content)] or self._cells(text) != tuple(values):
            raise RecordRefused("a value contains the separator, a quote or a line break that this layout cannot carry")
        return content + EOL[self.eol].encode()

    def _totals(self, totals: Totals | None, facts: FileFacts, tally: Tally) -> bytes:
        return self._row([totals.record_type, *texts_of(totals, facts, tally)]) if totals else b""

    def _cents(self, total: TotalField, records: Sequence[bytes]) -> int | None:
        titles = self._titles()
        lines = [self._line(*one) for one in _physical(b"".join(records), self.quote)]
        rows = [self._own(line, titles) for line in lines] if self.header_row else lines
        return sum_of(self.columns, self.fee_cents_per_row, total, rows)

    def _taken(self, raw: list[tuple[int, bytes]], totals: Totals | None, part: str, place: int) -> Sequence[str]:
        """Take the header or trailer out of ``raw``; its values."""
        if totals is None:
            return ()
        values = self._line(*raw[place]).values if raw else ()
        if values[:1] != (totals.record_type,) or len(values) != len(totals.fields) + 1:
            raise FileRejected(part, f"the {part} is not the declared one")
        del raw[place]
        return values[1:]

    def _below_titles(self, lines: Sequence[Line]) -> list[Line]:
        titles = self._titles()
        if not lines or lines[0].values != titles:
            raise FileRejected("header", "the header row is not the declared one")
        return [
            line if line.bad else bad(line, "columns") if len(line.values) != len(titles) else self._own(line, titles)
            for line in lines[1:]
        ]

    def _own(self, line: Line, titles: Sequence[str]) -> Line:
        """A line over all columns, cut down to those of its operation."""
        values = self.columns.gathered(dict(zip(titles, line.values, strict=True)))
        return bad(line, "operation") if values is None else replace(line, values=values)

    def _line(self, number: int, raw: bytes) -> Line:
        try:
            text = to_text(raw, self.encoding)
        except EncodingRefused:
            # Separators and quotes are ASCII below every second byte, so the first cell may still be good.
            head, _, _ = raw.partition(self.delimiter.encode())
            return Line(number=number, bad="encoding", first=head.decode("ascii", "ignore").strip(self.quote or " "))
        values = self._cells(text)
        if values is None:
            return Line(number=number, bad="quotes", first=text.split(self.delimiter)[0].strip(self.quote))
        return Line(number=number, values=values, first=values[0])

    def _cell(self, value: str) -> str:
        if self.quote is None or not any(mark in value for mark in (self.delimiter, self.quote, "\r", "\n")):
            return value
        return f"{self.quote}{value.replace(self.quote, self.quote * 2)}{self.quote}"

    def _cells(self, text: str) -> tuple[str, ...] | None:
        """The values of one record; None where its quotes do not pair."""
        if self.quote is None or self.quote not in text:
            return tuple(text.split(self.delimiter))
        values: list[str] = []
        rest = text
        while True:
            value, rest, more = _next_cell(rest, self.delimiter, self.quote)
            if value is None:
                return None
            values.append(value)
            if not more:
                return tuple(values)


def _next_cell(text: str, delimiter: str, quote: str) -> tuple[str | None, str, bool]:
    """First value, what follows its separator, whether there was one; None for a value whose quotes are wrong."""
    if not text.startswith(quote):
        value, separator, rest = text.partition(delimiter)
        return (None if quote in value else value), rest, bool(separator)
    end = 1
    while True:
        end = text.find(quote, end)
        if end < 0:
            return None, "", False
        if not text.startswith(quote, end + 1):
            break
        end += 2
    value, rest = text[1:end].replace(quote * 2, quote), text[end + 1 :]
    if not rest:
        return value, "", False
    return (value, rest.removeprefix(delimiter), True) if rest.startswith(delimiter) else (None, "", False)


def _physical(content: bytes, quote: str | None) -> list[tuple[int, bytes]]:
    """Records as bytes with the number of their first line; a line with an open quote goes on, within ``MAX_SPAN`` lines.

    Splitting bytes is safe: LF, CR and quotes are no second byte of any declared encoding.
    """
    raw = content.split(b"\n")
    if raw[-1] == b"":
        raw.pop()
    odd = [quote is not None and line.count(quote.encode()) % 2 == 1 for line in raw]
    records: list[tuple[int, bytes]] = []
    at = 0
    while at < len(raw):
        end = at
        if odd[at]:
            end = next((later for later in range(at + 1, min(at + MAX_SPAN, len(raw))) if odd[later]), at)
        whole = b"\n".join(raw[at : end + 1]).removesuffix(b"\r")
        if whole:
            records.append((at + 1, whole))
        at = end + 1
    return records
