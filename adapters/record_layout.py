"""What every layout of record files shares: the columns of its records, and what it must be able to do."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Protocol

from adapters.file_totals import NO_FACTS, FileFacts, TotalField
from adapters.record_verdicts import Line, NotEncodable, RecordRefused
from adapters.text_encodings import Encoding, EncodingRefused, to_bytes
from contracts.records import record

EOL: Mapping[str, str] = {"CRLF": "\r\n", "LF": "\n"}

NUMBERS = frozenset({"int", "money", "decimal"})
"""Types that a layout with widths writes right-aligned."""


@record
class Cell:
    """A value of a record: its name, its type as the catalogue has it, its width in bytes where the layout counts them."""

    name: str
    kind: str = "string"
    width: int | None = None


@record
class Columns:
    """The values of one direction's records: ``lead`` in all of them, then those of the operation, by its code in ``shapes``.

    ``operation_at`` is the place of that code in ``lead``; None where there is one operation only.
    """

    lead: tuple[Cell, ...] = ()
    shapes: Mapping[str, tuple[Cell, ...]] = field(default_factory=dict[str, tuple[Cell, ...]])
    operation_at: int | None = None

    def shape(self, lead: Sequence[str]) -> tuple[Cell, ...] | None:
        """The cells that follow ``lead``; None for an operation that nobody declared."""
        if self.operation_at is None:
            return next(iter(self.shapes.values()), ())
        return self.shapes.get(lead[self.operation_at]) if len(lead) > self.operation_at else None

    def cells(self, values: Sequence[str]) -> tuple[Cell, ...]:
        """The cell of each value. Raises RecordRefused where there are more or fewer values than cells."""
        shape = self.shape(values[: len(self.lead)])
        cells = self.lead + (shape or ())
        if shape is None or len(cells) != len(values):
            raise RecordRefused("the record does not have the values that its operation declares")
        return cells

    def union(self) -> tuple[Cell, ...]:
        """All cells of all operations, for files that can name only one set of columns: of each name the widest."""
        found: dict[str, Cell] = {}
        for cell in self.every():
            known = found.setdefault(cell.name, cell)
            if (cell.width or 0) > (known.width or 0):
                found[cell.name] = cell
        return tuple(found.values())

    def every(self) -> tuple[Cell, ...]:
        """All cells, also those that share a name."""
        return (*self.lead, *(cell for shape in self.shapes.values() for cell in shape))

    def spread(self, values: Sequence[str]) -> tuple[str, ...]:
        """A record's values over the union; blank where a cell belongs to other operations."""
        told = {cell.name: value for cell, value in zip(self.cells(values), values, strict=True)}
        return tuple(told.get(cell.name, "") for cell in self.union())

    def gathered(self, values: Mapping[str, str]) -> tuple[str, ...] | None:
        """A record's own values out of the union; None for an operation that nobody declared."""
        lead = tuple(values[cell.name] for cell in self.lead)
        shape = self.shape(lead)
        return None if shape is None else (*lead, *(values[cell.name] for cell in shape))

    def value(self, values: Sequence[str], name: str) -> str:
        """One value of a record by its column's name; blank where the operation has no such column."""
        return dict(zip((cell.name for cell in self.cells(values)), values, strict=True)).get(name, "")


class Format(Protocol):
    """A layout that can write and read itself. Pure."""

    @property
    def columns(self) -> Columns:
        """The values of its records."""
        ...

    def record(self, values: Sequence[str], /) -> bytes:
        """One record, line end included. Raises RecordRefused."""
        ...

    def file(self, records: Sequence[bytes], /, facts: FileFacts = NO_FACTS) -> bytes:
        """The whole file around records that ``record`` made; there may be none. Raises RecordRefused for totals without room."""
        ...

    def lines(self, content: bytes, /, *, whole: bool, facts: FileFacts = NO_FACTS) -> Sequence[Line]:
        """Every record with its verdict. ``whole``: a digest or a size proved that nothing is missing. Raises FileRejected."""
        ...


def encoded(value: str, place: int, encoding: Encoding) -> bytes:
    """A value's bytes; ``place`` is its 1-based number in the record. Raises NotEncodable."""
    try:
        return to_bytes(value, encoding)
    except EncodingRefused as error:
        raise NotEncodable(f"value {place}: {error}") from error


def bad(line: Line, reason: str) -> Line:
    """The same line with a verdict instead of values."""
    return Line(number=line.number, bad=reason, first=line.values[0] if line.values else line.first)


def sum_of(columns: Columns, fee_cents: int | None, total: TotalField, lines: Sequence[Line]) -> int | None:
    """The cents of all records; None where one of them cannot be read, so that nothing can be proved."""
    if total.sum_of is None:
        return (fee_cents or 0) * len(lines)
    try:
        return sum(int(columns.value(line.values, total.sum_of) or 0) for line in lines)
    except ValueError:
        return None
