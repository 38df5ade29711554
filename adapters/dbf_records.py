"""dBase III tables, as old desktop systems exchange them: one table a file, its columns those of all operations.

A file is a header of 32 bytes, 32 bytes a column, 0x0D, the records, 0x1A (dBase III PLUS file structure). Text is C, a date is
D (yyyymmdd), whole numbers and cents are N, true and false are L; decimals are C, since a column of N fixes how many there are.
"""

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from adapters.file_totals import NO_FACTS, FileFacts
from adapters.record_layout import Cell, Columns, encoded
from adapters.record_verdicts import FileRejected, Line, RecordRefused
from adapters.text_encodings import Encoding, EncodingRefused, to_text
from contracts.records import record

_HEADER = struct.Struct("<B3BIHH17xB2x")
_COLUMN = struct.Struct("<11sc4xBB14x")
_VERSION = 0x03
_END_OF_COLUMNS, _END_OF_FILE = b"\x0d", b"\x1a"
_KINDS: Mapping[str, bytes] = {"date": b"D", "bool": b"L", "int": b"N", "money": b"N"}
_WIDEST: Mapping[bytes, int] = {b"C": 254, b"N": 19, b"D": 8, b"L": 1}
_CODE_PAGES: Mapping[Encoding, frozenset[int]] = {
    "GBK": frozenset({0x4D, 0x7A}),
    "GB18030": frozenset(),
    "UTF-8": frozenset(),
}
"""The bytes that name a code page: 0x4D (and FoxPro's 0x7A) is code page 936. 0 says nothing and goes with any."""


def _byte(value: object) -> object:
    return int(value, 16) if isinstance(value, str) and re.fullmatch(r"0x[0-9A-Fa-f]{2}", value) else value


@record
class DbfColumn:
    """A column of the table: the name as it stands in the file, its type, its width."""

    name: str
    kind: bytes
    width: int


@record
class Dbf:
    """Names are upper case and cut to ``name_max``; they must stay apart. ``deleted_rows``: those that the department marked so.

    ``table`` is computed.
    """

    encoding: Encoding
    columns: Columns = Columns()
    dialect: Literal["dbase3"] = "dbase3"
    code_page_byte: Annotated[int, BeforeValidator(_byte), Field(ge=0, le=0xFF)] = 0
    name_max: Annotated[int, Field(ge=1, le=10)] = 10
    file_name: Literal["8.3", "any"] = "any"
    dates: Literal["yyyymmdd"] = "yyyymmdd"
    deleted_rows: Literal["skip", "refuse"] = "skip"
    operation_column: str | None = None
    table: tuple[DbfColumn, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        """Raises ValueError for columns that a table cannot have."""
        if self.code_page_byte and self.code_page_byte not in _CODE_PAGES[self.encoding]:
            raise ValueError(f"code_page_byte {self.code_page_byte:#04x} does not name {self.encoding}")
        union = self.columns.union()
        if len({(cell.name, _KINDS.get(cell.kind, b"C")) for cell in self.columns.every()}) != len(union):
            raise ValueError("a column has one type in one operation and another in the next")
        table = tuple(
            DbfColumn(name=self._name(cell), kind=_KINDS.get(cell.kind, b"C"), width=_width(cell)) for cell in union
        )
        if len({column.name for column in table}) != len(table):
            raise ValueError(f"cut to {self.name_max} characters, two columns have one name")
        object.__setattr__(self, "table", table)

    def record(self, values: Sequence[str], /) -> bytes:
        """One row. Raises RecordRefused where reading it back would give anything but ``values``."""
        padded = [
            self._padded(column, value, place)
            for place, (column, value) in enumerate(zip(self.table, self.columns.spread(values), strict=True), 1)
        ]
        content = b" " + b"".join(padded)
        if self._line(1, content, self.table).values != tuple(values):
            raise RecordRefused("a value has spaces at its end or a form that its column would change")
        return content

    def file(self, records: Sequence[bytes], /, facts: FileFacts = NO_FACTS) -> bytes:
        """The table. The date in its header is that of ``facts``."""
        header_size = _HEADER.size + len(self.table) * _COLUMN.size + len(_END_OF_COLUMNS)
        row_size = 1 + sum(column.width for column in self.table)
        day = (facts.at.year - 1900, facts.at.month, facts.at.day)
        head = _HEADER.pack(_VERSION, *day, len(records), header_size, row_size, self.code_page_byte)
        columns = [_COLUMN.pack(column.name.encode(), column.kind, column.width, 0) for column in self.table]
        return b"".join([head, *columns, _END_OF_COLUMNS, *records, _END_OF_FILE])

    def lines(self, content: bytes, /, *, whole: bool = False, facts: FileFacts = NO_FACTS) -> Sequence[Line]:
        """Every row that is not marked as deleted. Raises FileRejected: ``truncated``, ``header``, ``code_page``, ``rows``, ``deleted``."""
        table, start, row_size, rows = self._head(content)
        end = start + rows * row_size
        if len(content) < end:
            raise FileRejected("truncated", "the table has fewer rows than its header says")
        if content[end:] not in {b"", _END_OF_FILE} or (not content[end:] and not whole):
            raise FileRejected("rows", "the table does not end where its header says")
        raws = [content[at : at + row_size] for at in range(start, end, row_size)]
        if self.deleted_rows == "refuse" and any(raw[:1] == b"*" for raw in raws):
            raise FileRejected("deleted", "a row is marked as deleted")
        return [self._line(number, raw, table) for number, raw in enumerate(raws, 1) if raw[:1] != b"*"]

    def _head(self, content: bytes) -> tuple[tuple[DbfColumn, ...], int, int, int]:
        """The columns of a table, where its rows begin, their size and number."""
        if len(content) < _HEADER.size:
            raise FileRejected("truncated", "the header of the table is cut off")
        version, _, _, _, rows, start, row_size, code_page = _HEADER.unpack_from(content)
        count, rest = divmod(start - _HEADER.size - 1, _COLUMN.size)
        if version != _VERSION or count < 1 or rest:
            raise FileRejected("header", "not a dBase III table without memo")
        if len(content) < start:
            raise FileRejected("truncated", "the header of the table is cut off")
        if code_page not in {0, self.code_page_byte}:
            raise FileRejected("code_page", "the table names another code page than was agreed")
        table = tuple(self._column(content, _HEADER.size + place * _COLUMN.size) for place in range(count))
        declared = {(column.name, column.kind) for column in self.table}
        found = [(column.name, column.kind) for column in table]
        # Widths and the order of columns are the department's; a name twice, or a column missing, is another table.
        if content[start - 1 : start] != _END_OF_COLUMNS or set(found) != declared or len(found) != len(declared):
            raise FileRejected("header", "the columns of the table are not the declared ones")
        if row_size != 1 + sum(column.width for column in table):
            raise FileRejected("header", "the widths of the columns do not add up")
        return table, start, row_size, rows

    @staticmethod
    def _column(content: bytes, at: int) -> DbfColumn:
        name, kind, width, decimals = _COLUMN.unpack_from(content, at)
        text = name.split(b"\0")[0].decode("ascii", "replace").upper()
        return DbfColumn(name=text, kind=b"decimals" if decimals else kind, width=width)

    def _name(self, cell: Cell) -> str:
        name = cell.name.upper()[: self.name_max]
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name, re.ASCII):
            raise ValueError(f"{cell.name} cannot name a column: letters, digits and _ only")
        return name

    def _padded(self, column: DbfColumn, value: str, place: int) -> bytes:
        if column.kind == b"L":
            value = {"1": "T", "0": "F", "": " "}.get(value, value)
        content = encoded(value, place, self.encoding)
        if len(content) > column.width:
            raise RecordRefused(f"value {place} takes {len(content)} bytes and has {column.width}")
        return content.rjust(column.width) if column.kind == b"N" else content.ljust(column.width)

    def _line(self, number: int, raw: bytes, table: Sequence[DbfColumn]) -> Line:
        """One row by its bytes."""
        pieces: dict[str, bytes] = {}
        at = 1
        for column in table:
            pieces[column.name] = raw[at : at + column.width]
            at += column.width
        first = pieces[self.table[0].name].decode("ascii", "ignore").strip()
        if raw[:1] != b" ":
            return Line(number=number, bad="deleted_flag", first=first)
        try:
            texts = [
                _READ[column.kind](to_text(pieces[column.name].rstrip(b" "), self.encoding)) for column in self.table
            ]
        except EncodingRefused:
            return Line(number=number, bad="encoding", first=first)
        told = dict(zip((cell.name for cell in self.columns.union()), texts, strict=True))
        values = self.columns.gathered(told)
        return Line(number=number, bad="" if values else "operation", values=values or (), first=first)


_READ: Mapping[bytes, Callable[[str], str]] = {
    b"C": lambda text: text,
    b"D": lambda text: text,
    b"N": lambda text: text.lstrip(" "),
    # "?" is a logical value that nobody has entered.
    b"L": lambda text: {"T": "1", "t": "1", "Y": "1", "y": "1", "F": "0", "f": "0", "N": "0", "n": "0", "?": ""}.get(
        text, text
    ),
}


def _width(cell: Cell) -> int:
    kind = _KINDS.get(cell.kind, b"C")
    width = {b"D": 8, b"L": 1}.get(kind, cell.width)
    if not width:
        raise ValueError(f"width_bytes is missing for {cell.name}")
    if width > _WIDEST[kind]:
        raise ValueError(f"{cell.name}: a column of this type holds {_WIDEST[kind]} bytes at most")
    return width
