"""The ``[systems.channels.file_drop]`` table: everything about a file exchange that is data.

    [systems.channels.file_drop]
    format = "csv"
    encoding = "GB18030"
    record = { delimiter = "|!", eol = "CRLF", header_row = false }
    reference = { name = "LSH", width = 36 }
    operation_column = "YWDM"
    out = { dir = "/out", pattern = "WJ_{date:%Y%m%d}_{seq:03d}.txt", temporary_suffix = ".tmp" }
    control_file = { suffix = ".ok", content = ["rows", "md5"] }
    back = { dir = "/back", pattern = "WJ_JG_{date:%Y%m%d}_{seq:03d}.txt", control_file = { suffix = ".ok", content = ["rows", "md5"] } }
    timeouts = { connect_seconds = 10, channel_seconds = 30, total_seconds = 300 }
    auth = { password = "wj_family_sftp" }

Records that go out hold the reference, the operation code and the request fields in their listed order; records that come
back hold what ``back.record`` lists. Where a file can name only one set of columns (a header row, a DBF), a record leaves blank
what belongs to other operations. Cut-offs and sizes are the channel's ``batching``.

Other layouts; the widths of fields, in bytes, are ``width_bytes`` of the operations' request and reply:

    format = "fixed"
    record = { widths = "bytes", pad_text = "space right", pad_number = "zero left", eol = "LF", operation_code = { name = "JYM", width = 4 } }
    header = { record_type = "H", fields = [{ name = "date", width = 8 }, { name = "rows", width = 8 }] }
    trailer = { record_type = "T", fields = [{ name = "rows", width = 8 }, { name = "md5", width = 32 }] }

    format = "dbf"
    record = { dialect = "dbase3", code_page_byte = 0x4D, name_max = 10, file_name = "8.3", dates = "yyyymmdd", deleted_rows = "skip", operation_column = "YWLX" }

    format = "xml"
    record = { root = "Package", head = ["batch", "rows", "sent_at"], row = "Body/Row", operation_attribute = "ywlx" }

    format = "zip_csv"
    record = { delimiter = ",", quote = '"', header_row = true, inner_name = "{operation}.csv", summary_name = "summary.txt", summary_delimiter = "|!", zip_password = { secret = "jr_zip", method = "aes256" } }

    format = "ini"
    record = { section = "ROW", operation_key = "YWDM" }
    header = { record_type = "HEAD", fields = [{ name = "date" }, { name = "rows" }] }

What the encoding lacks follows ``on_unencodable``: ``refuse``, ``substitute`` (with ``substitutes = { "㛃" = "[女丯]" }``) or
``paper``, which hands the delivery over to a task sheet.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal, Self, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, JsonValue, model_validator

from adapters.control_files import Item
from adapters.file_names import file_name, plain_pattern
from adapters.file_totals import Totals
from adapters.sftp_session import parse_host_key
from adapters.strict_tables import Strict
from adapters.text_encodings import Encoding
from contracts.delivery import Batch
from contracts.situation import ExpectedFile, FileRules

Role: TypeAlias = Literal["reference", "operation", "code", "happened_at", "wanted", "fields"]


def _folder(text: str) -> str:
    if not text.startswith("/") or ".." in text.split("/"):
        raise ValueError("a folder is an absolute path on the server")
    return text.rstrip("/")


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{text} is no time zone") from error
    return text


def _host_key(text: str) -> str:
    parse_host_key(text)
    return text


Pattern: TypeAlias = Annotated[str, AfterValidator(plain_pattern)]
Folder: TypeAlias = Annotated[str, AfterValidator(_folder)]
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)
_ANOTHER_DAY = datetime(2027, 2, 2, tzinfo=UTC)

Suffix: TypeAlias = Annotated[str, Field(pattern=r"^\.[A-Za-z0-9._]{1,15}$")]


class Reference(Strict):
    """The column that carries the delivery id: 36 characters, or 32 without hyphens."""

    name: str = "LSH"
    width: Literal[32, 36] = 36


class ControlFile(Strict):
    """``suffix`` takes the place of the name's extension. No ``content``: an empty flag; else one ``item=value`` line each.

    ``sum_of``: the column of cents that ``amount_cents`` adds up; ``hash_of``: the column whose digits ``hash_total`` does.
    """

    suffix: Suffix
    content: tuple[Item, ...] = ()
    eol: Literal["CRLF", "LF"] = "CRLF"
    sum_of: str | None = None
    hash_of: str | None = None

    @model_validator(mode="after")
    def _columns(self) -> Self:
        if ("amount_cents" in self.content) != (self.sum_of is not None):
            raise ValueError("amount_cents needs sum_of, a column of cents, and nothing else does")
        if ("hash_total" in self.content) != (self.hash_of is not None):
            raise ValueError("hash_total needs hash_of, the column whose digits are added, and nothing else does")
        return self


class Out(Strict):
    """Where files go. Under ``temporary_suffix`` nothing is complete; the rename makes it so.

    ``sequence_max``: after that many files the sequence in the names begins again at 1, for names that have no room for more;
    then the date must keep them apart.
    """

    dir: Folder = "/out"
    pattern: Pattern
    temporary_suffix: Suffix = ".tmp"
    sequence_max: Annotated[int, Field(ge=9)] | None = None


class Back(Strict):
    """Where result files lie. Done and quarantine folders must not be ``dir`` itself.

    Without a control file, a file is taken when its trailer proves it whole, or else when its size and time stand still for
    ``stable_seconds``. ``sequence``: the ``{seq}`` of the names has no gaps, within a day or for good. ``header`` and
    ``trailer`` are those of the files that go out, where nothing else is said. ``code_width`` and ``wanted_width`` are bytes, for
    layouts that count them.
    """

    dir: Folder = "/back"
    pattern: Pattern
    control_file: ControlFile | None = None
    record: tuple[Role, ...] = ("reference", "operation", "code", "fields")
    header: Totals | None = None
    trailer: Totals | None = None
    code_width: int = 2
    wanted_width: int = 60
    done_dir: Folder = "/back/done"
    quarantine_dir: Folder = "/back/quarantine"
    stable_seconds: float = 60.0
    sequence: Literal["daily", "lifetime"] | None = None
    max_files: int = 20_000
    max_bytes: int = 50_000_000


class Receipt(Strict):
    """ACK: the partner's word on each whole file, named as ours with ``suffix`` for the extension, ``key=value`` lines inside.

    ``code``: the key of its code; without one, or with an empty file, being there means yes. ``accepted`` and ``again`` list codes; any
    other refuses the file for good. ``rows``: the key under which it counts the records. ``within_minutes``: when it is overdue.
    """

    dir: Folder = "/ack"
    suffix: Suffix
    code: str | None = None
    accepted: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    rows: str | None = None
    within_minutes: float | None = None
    done_dir: Folder = "/ack/done"
    quarantine_dir: Folder = "/ack/quarantine"

    @model_validator(mode="after")
    def _codes(self) -> Self:
        if (self.code is None) != (not self.accepted):
            raise ValueError("a receipt with a code says which codes accept the file")
        return self


class Timeouts(Strict):
    """Seconds: connecting, silence within a call, a call altogether."""

    connect_seconds: float = 10.0
    channel_seconds: float = 30.0
    total_seconds: float = 300.0


class Auth(Strict):
    """Names of secrets, never secrets. A private key wins over a password."""

    password: str | None = None
    private_key: str | None = None
    passphrase: str | None = None


class FileDropTable(Strict):
    """The whole table.

    ``operation_column``: where a CSV record carries the operation code; other layouts say it in ``record``. It may be missing
    where the system has one operation only. ``fee_cents_per_row``: then ``amount_cents`` of a trailer is that times the rows.
    """

    format: Literal["csv", "fixed", "dbf", "xml", "zip_csv", "ini"] = "csv"
    encoding: Encoding
    record: dict[str, JsonValue] = Field(default_factory=dict)
    header: Totals | None = None
    trailer: Totals | None = None
    fee_cents_per_row: Annotated[int, Field(ge=0)] | None = None
    on_unencodable: Literal["refuse", "substitute", "paper"] = "refuse"
    substitutes: dict[Annotated[str, Field(min_length=1, max_length=1)], str] = Field(default_factory=dict)
    reference: Reference = Reference()
    operation_column: str | None = "YWDM"
    out: Out
    control_file: ControlFile | None = None
    back: Back
    receipt: Receipt | None = None
    expected_files: tuple[ExpectedFile, ...] = ()
    timeouts: Timeouts = Timeouts()
    auth: Auth
    timezone: Annotated[str, AfterValidator(_zone)] = "Asia/Shanghai"

    @model_validator(mode="after")
    def _names_stay_apart(self) -> Self:
        if "{day_seq" in self.out.pattern and file_name(self.out.pattern, _SOME_DAY, 1, self.timezone, 1) == file_name(
            self.out.pattern, _ANOTHER_DAY, 1, self.timezone, 1
        ):
            raise ValueError("{day_seq} begins again every day: out.pattern needs the date beside it")
        for pattern, control in ((self.out.pattern, self.control_file), (self.back.pattern, self.back.control_file)):
            names = [file_name(pattern, _SOME_DAY, sequence, self.timezone, sequence) for sequence in (1, 2)]
            controls = [control_name(name, control) for name in names] if control else []
            if len({*names, *controls}) != len(names) + len(controls):
                raise ValueError(
                    "every file and every control file needs a name of its own: put {seq} before the extension"
                )
        if self.format != "csv" and "operation_column" in self.model_fields_set:
            raise ValueError("only a csv has operation_column here; other layouts say it in record")
        if bool(self.substitutes) != (self.on_unencodable == "substitute"):
            raise ValueError('substitutes are what on_unencodable = "substitute" needs, and nothing else does')
        if self.record.get("file_name") == "8.3":
            names = [
                file_name(self.out.pattern, _SOME_DAY, number, self.timezone)
                for number in (1, self.out.sequence_max or 10**6)
            ]
            if any(not re.fullmatch(r"[A-Z0-9_]{1,8}\.[A-Z0-9]{1,3}", name, re.ASCII) for name in names):
                raise ValueError("a name in out.pattern, with sequence_max, does not fit 8.3")
        if self.back.dir in {self.back.done_dir, self.back.quarantine_dir}:
            raise ValueError("done_dir and quarantine_dir must not be the folder that is read")
        if self.receipt is not None and self.receipt.dir in {self.receipt.done_dir, self.receipt.quarantine_dir}:
            raise ValueError("done_dir and quarantine_dir of receipts must not be the folder that is read")
        return self


class FileDropPlace(Strict):
    """The place of installation. ``host_key`` is the server's pinned public key, ``ssh-ed25519 AAAA...``."""

    host: str
    port: int = 22
    username: str
    host_key: Annotated[str, AfterValidator(_host_key)]


def secrets_of(table: FileDropTable) -> tuple[str, ...]:
    """Names of the secrets that the layout needs, beside those of the login."""
    password = table.record.get("zip_password")
    return (str(password.get("secret")),) if isinstance(password, dict) else ()


TEST_PREFIX = "TEST_"
"""In front of the name of a file that holds copies of a shadow run."""


def file_rules(table: FileDropTable) -> FileRules:
    """What the hub watches over."""
    within = table.receipt.within_minutes if table.receipt else None
    return FileRules(expected=table.expected_files, receipt_within_minutes=within)


def out_name(table: FileDropTable, batch: Batch) -> str:
    """The name under which a sealed batch goes out."""
    largest = table.out.sequence_max
    number = batch.sequence if largest is None else (batch.sequence - 1) % largest + 1
    name = file_name(table.out.pattern, batch.sealed_at, number, table.timezone, batch.day_sequence)
    return TEST_PREFIX + name if any(delivery.test for delivery in batch.deliveries) else name


def control_name(name: str, control: ControlFile) -> str:
    """The name of the control file beside ``name``."""
    stem, dot, _ = name.rpartition(".")
    return (stem if dot else name) + control.suffix
