"""Record files: layouts as data, pure functions both ways.

A format is a frozen record whose fields are the layout and whose methods write and read it; ``FORMATS`` names them. Writing
goes in two steps, one record at a time and then the file around them, so that a record is mapped, checked and stored before
the batch that carries it is sealed. Reading gives every line a verdict of its own; what casts doubt on the file as a whole
(cut off, wrong count, wrong digest, wrong header) rejects the whole file, and nothing of it may be used.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Protocol

from pydantic import Field

from adapters.text_encodings import Encoding, EncodingRefused, to_bytes, to_text, without_mark
from contracts.records import Fields, adapter, record

MAX_SPAN = 100
"""A quoted value may hold line breaks, but an unclosed quote must not swallow the rest of a file."""

EOL: Mapping[str, str] = {"CRLF": "\r\n", "LF": "\n"}


class FileRejected(Exception):  # noqa: N818 - it states a verdict
    """Nothing of the file may be used. ``code`` is countable; ``detail`` holds nothing of the content."""

    def __init__(self, code: str, detail: str = "") -> None:
        """``code``: truncated, header, rows, md5, sha256, bytes, name, control_file .."""
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class RecordRefused(ValueError):  # noqa: N818 - it states a verdict
    """Values that the layout cannot carry exactly. The message never holds them."""


@record
class Line:
    """One record of a file and its verdict: ``values``, or the reason why there are none in ``bad``. ``number`` is 1-based.

    ``first`` is the first value where at least that could be read, so that a bad line may still be laid to a delivery.
    """

    number: int
    values: tuple[str, ...] = ()
    bad: str = ""
    first: str = ""


class Format(Protocol):
    """A layout that can write and read itself. Pure."""

    def record(self, values: Sequence[str], /) -> bytes:
        """One record, line end included. Raises RecordRefused."""
        ...

    def file(self, records: Sequence[bytes], /) -> bytes:
        """The whole file around records that ``record`` made; there may be none."""
        ...

    def lines(self, content: bytes, /, *, whole: bool) -> Sequence[Line]:
        """Every record with its verdict. ``whole``: a digest or a size proved that nothing is missing. Raises FileRejected."""
        ...


@record
class Csv:
    """Values between separators of any length; without ``quote`` nothing is quoted. With a header row every record has all columns.

    Written with the declared line end; read with CRLF or LF, since values cannot contain a bare one unless they are quoted.
    Blank lines are no records.
    """

    encoding: Encoding
    columns: tuple[str, ...] = ()
    delimiter: Annotated[str, Field(min_length=1, pattern=r"^[\x20-\x7e\t]+$")] = ","
    quote: Literal['"', "'"] | None = None
    eol: Literal["CRLF", "LF"] = "CRLF"
    header_row: bool = False

    def record(self, values: Sequence[str], /) -> bytes:
        """One line. Raises RecordRefused where reading it back would give anything but ``values``."""
        cells = [self._cell(value) for value in values]
        text = self.delimiter.join(cells)
        content = self.delimiter.encode().join(
            _encoded(cell, place, self.encoding) for place, cell in enumerate(cells, 1)
        )
        # The one proof that separators, quotes and line breaks inside of values do no harm.
        bare_break = self.quote is None and "\r" in text
        if bare_break or _physical(content + b"\n", self.quote) != [(1, content)] or self._cells(text) != tuple(values):
            raise RecordRefused("a value contains the separator, a quote or a line break that this layout cannot carry")
        return content + EOL[self.eol].encode()

    def file(self, records: Sequence[bytes], /) -> bytes:
        """Header row, if any, and the records in their order."""
        head = [self.record(self.columns)] if self.header_row else []
        return b"".join([*head, *records])

    def lines(self, content: bytes, /, *, whole: bool = False) -> Sequence[Line]:
        """Every record. Raises FileRejected: ``truncated`` where the last line has no end, ``header`` where it is another one."""
        content = without_mark(content, self.encoding)
        if content and not content.endswith(b"\n") and not whole:
            raise FileRejected("truncated", "the last line has no line end")
        lines = [self._line(number, raw) for number, raw in _physical(content, self.quote)]
        if not self.header_row:
            return lines
        if not lines or lines[0].values != self.columns:
            raise FileRejected("header", "the header row is not the declared one")
        return [
            line if line.bad or len(line.values) == len(self.columns) else _bad(line.number, "columns", line.values)
            for line in lines[1:]
        ]

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


def _encoded(cell: str, place: int, encoding: Encoding) -> bytes:
    try:
        return to_bytes(cell, encoding)
    except EncodingRefused as error:
        raise RecordRefused(f"value {place}: {error}") from error


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


def _bad(number: int, reason: str, values: Sequence[str]) -> Line:
    return Line(number=number, bad=reason, first=values[0] if values else "")


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


FORMATS: Mapping[str, type[Format]] = {"csv": Csv}
"""Format name -> layout. The keys of a channel's ``record`` table are the fields of the layout."""


def layout(format_name: str, encoding: Encoding, columns: Sequence[str], table: Fields) -> Format:
    """The layout that a channel declares. Raises ValueError for an unknown format and ValidationError for a wrong table."""
    if format_name not in FORMATS:
        raise ValueError(f"the format {format_name} is not one of {', '.join(FORMATS)}")
    return adapter(FORMATS[format_name]).validate_python({**table, "encoding": encoding, "columns": tuple(columns)})
