"""CSV files in one zip archive: one file an operation, and a summary that names them, their rows and their digests."""

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Annotated, Literal

from pydantic import Field

from adapters.csv_records import Csv
from adapters.file_totals import NO_FACTS, FileFacts, digest_of
from adapters.record_layout import EOL, Columns, encoded
from adapters.record_verdicts import FileRejected, Line, RecordRefused
from adapters.text_encodings import Encoding, EncodingRefused, to_text
from adapters.zip_archive import Budget, packed, unpacked
from contracts.records import record

SummaryColumn = Literal["name", "rows", "md5", "sha256", "sm3"]


@record
class ZipPassword:
    """The name of the secret that holds the password, and how the archive is encrypted."""

    secret: str
    method: Literal["aes256"]


@record
class ZipCsv:
    """``inner_name``: the file of an operation, which says its code, so that no column does. The summary is text in the same encoding.

    An archive that comes back is refused as a whole where it holds anything but these files, or unpacks to more than
    ``max_unpacked_bytes``. Without ``zip_password`` an encrypted archive is refused, with one an open archive is.
    """

    encoding: Encoding
    columns: Columns = Columns()
    delimiter: Annotated[str, Field(min_length=1, pattern=r"^[\x20-\x7e\t]+$")] = ","
    quote: Literal['"', "'"] | None = None
    eol: Literal["CRLF", "LF"] = "CRLF"
    header_row: bool = False
    inner_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_{}][A-Za-z0-9_.{}-]*$")] = "{operation}.csv"
    summary_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")] | None = None
    summary_delimiter: Annotated[str, Field(min_length=1, pattern=r"^[\x20-\x7e\t]+$")] = "|!"
    summary_columns: tuple[SummaryColumn, ...] = ("name", "rows", "md5")
    zip_password: ZipPassword | None = None
    max_unpacked_bytes: int = 50_000_000

    def __post_init__(self) -> None:
        """Raises ValueError where two files would share a name."""
        if any(name not in {None, "operation"} for _, name, _, _ in Formatter().parse(self.inner_name)):
            raise ValueError("inner_name knows {operation}, nothing else")
        names = [self._inner(code) for code in self.columns.shapes] + [self.summary_name or "//"]
        if len(set(names)) != len(names):
            raise ValueError("every file of the archive needs a name of its own: put {operation} into inner_name")
        if "name" not in self.summary_columns:
            raise ValueError("a summary without names proves nothing")

    def record(self, values: Sequence[str], /) -> bytes:
        """The operation's code, LF, and its line: the code tells ``file`` where the line belongs."""
        self.columns.cells(values)
        code = self._code(values)
        return code.encode() + b"\n" + self._csv(code).record(self._without_code(values))

    def file(self, records: Sequence[bytes], /, facts: FileFacts = NO_FACTS) -> bytes:
        """The archive. An operation without records has no file in it."""
        lines: dict[str, list[bytes]] = {}
        for one in records:
            code, _, line = one.partition(b"\n")
            lines.setdefault(code.decode(), []).append(line)
        inner = {self._inner(code): self._csv(code).file(own, facts) for code, own in lines.items()}
        rows = {self._inner(code): len(own) for code, own in lines.items()}
        entries = dict(inner)
        if self.summary_name:
            text = "".join(
                self.summary_delimiter.join(self._summary(name, rows[name], content)) + EOL[self.eol]
                for name, content in inner.items()
            )
            entries[self.summary_name] = encoded(text, 1, self.encoding)
        return packed(entries, facts.at, self._password(facts))

    def lines(self, content: bytes, /, *, whole: bool = False, facts: FileFacts = NO_FACTS) -> Sequence[Line]:
        """Every line of every file; ``number`` counts within its file. Raises FileRejected, ``summary`` among others."""
        by_name = {self._inner(code): code for code in self.columns.shapes}
        expected = frozenset({*by_name, *([self.summary_name] if self.summary_name else [])})
        budget = Budget(entries=len(expected), unpacked=self.max_unpacked_bytes)
        entries = dict(unpacked(content, expected, budget, self._password(facts)))
        summary = entries.pop(self.summary_name, None) if self.summary_name else b""
        if summary is None:
            raise FileRejected("summary", "the archive has no summary")
        found = {name: self._csv(by_name[name]).lines(one, whole=True) for name, one in entries.items()}
        if self.summary_name:
            self._check_summary(summary, entries, {name: len(lines) for name, lines in found.items()})
        return [self._with_code(line, by_name[name]) for name, lines in found.items() for line in lines]

    def _check_summary(self, summary: bytes, entries: Mapping[str, bytes], rows: Mapping[str, int]) -> None:
        try:
            told = [line for line in to_text(summary, self.encoding).splitlines() if line]
        except EncodingRefused as error:
            raise FileRejected("summary", "the summary cannot be read") from error
        true = [self.summary_delimiter.join(self._summary(name, rows[name], one)) for name, one in entries.items()]
        if sorted(line.lower() for line in told) != sorted(line.lower() for line in true):
            raise FileRejected("summary", "the archive does not agree with its own summary")

    def _summary(self, name: str, rows: int, content: bytes) -> list[str]:
        return [
            name if column == "name" else str(rows) if column == "rows" else digest_of(column, content)
            for column in self.summary_columns
        ]

    def _inner(self, code: str) -> str:
        return self.inner_name.format(operation=code)

    def _code(self, values: Sequence[str]) -> str:
        at = self.columns.operation_at
        return values[at] if at is not None else next(iter(self.columns.shapes), "")

    def _without_code(self, values: Sequence[str]) -> tuple[str, ...]:
        return tuple(value for place, value in enumerate(values) if place != self.columns.operation_at)

    def _with_code(self, line: Line, code: str) -> Line:
        at = self.columns.operation_at
        if line.bad or at is None:
            return line
        return Line(number=line.number, values=(*line.values[:at], code, *line.values[at:]), first=line.first)

    def _csv(self, code: str) -> Csv:
        lead = tuple(cell for place, cell in enumerate(self.columns.lead) if place != self.columns.operation_at)
        if code not in self.columns.shapes:
            raise RecordRefused("the record is of an operation that nobody declared")
        return Csv(
            encoding=self.encoding,
            columns=Columns(lead=lead, shapes={code: self.columns.shapes[code]}),
            delimiter=self.delimiter,
            quote=self.quote,
            eol=self.eol,
            header_row=self.header_row,
        )

    def _password(self, facts: FileFacts) -> str | None:
        return facts.secret(self.zip_password.secret) if self.zip_password else None
