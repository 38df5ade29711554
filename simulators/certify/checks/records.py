"""What a record of a file says: values in the declared encoding, width and form, and nothing that breaks the next record."""

from collections.abc import Iterator, Sequence
from datetime import date

from pydantic import JsonValue

from adapters.text_encodings import is_encodable, to_bytes
from contracts.catalogue import Operation, RequestField
from contracts.delivery import Delivery
from contracts.errors import NEEDS_PAPER, DeliveryError, PermanentError
from contracts.situation import Situation
from simulators.certify.batches import desk, sealed
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.checks.mapping import prepare_error, told
from simulators.certify.deliveries import TEXTS
from simulators.certify.file_desk import FileDesk
from simulators.certify.verdict import NotApplicable, require
from simulators.department_files import cell_text, ledger_id
from simulators.file_forms import Request

FILES = (Situation.FILE_DROP,)
_RARE = ("㛃", "䶮", "镕", "样")
_TOO_RARE = ("䶮", "𠮷", "🀄", "\ue816", "\ue5e5", "\ud800")
_NASTY = ("\r\n", "\n", "\t", "\x00", '"', "'", ",", "|", "|!", ";", "</XM>", "]]>", "&", " = ", "[x]")


def text_field(operation: Operation, room: int = 0) -> RequestField | None:
    """A field for free text with room for so many bytes."""
    for field in operation.request:
        width = min(field.width_bytes or 999, (field.max_length or 999))
        if field.type in TEXTS and width >= room:
            return field
    return None


def texts(bench: Bench, room: int = 0) -> Iterator[tuple[Operation, RequestField]]:
    """A text field of each operation that has one. Raises NotApplicable."""
    found = [(one, field) for one in bench.operations if (field := text_field(one, room)) is not None]
    if not found:
        raise NotApplicable("no operation has a field for text")
    yield from found


def with_value(bench: Bench, operation: Operation, name: str, value: JsonValue) -> Delivery:
    """A delivery with one value of our choice."""
    return bench.delivery(operation, fields={**bench.maker.fields(operation), name: value})


def read_back(bench: Bench, at: FileDesk, deliveries: Sequence[Delivery]) -> Sequence[Request]:
    """The records that the department reads out of a sealed batch. Raises Failed."""
    batch = sealed(bench, [bench.prepared(one) for one in deliveries])
    return at.read(batch.payload or b"")


def written(bench: Bench, at: FileDesk, delivery: Delivery, name: str, wanted: str) -> None:
    """Raises Failed unless the department reads ``wanted``, or the record is refused as PermanentError."""
    error = prepare_error(bench, delivery)
    if error is not None:
        require(isinstance(error, PermanentError), "{0}.{1}: refused as {2}", delivery.operation, name, told(error))
        return
    rows = read_back(bench, at, [delivery])
    require(len(rows) == 1, "{0}.{1}: one delivery became {2} records", delivery.operation, name, len(rows))
    require(rows[0].values.get(name) == wanted, "{0}.{1}: the department reads another value", delivery.operation, name)


@check(
    "record-carries-the-delivery-id",
    Area.MAPPING,
    zh=("每条记录都带送达编号", "在 reference 声明的列中写入 delivery.id"),
    en=("Every record carries its delivery id", "Write delivery.id into the column that reference declares"),
    situations=FILES,
)
async def carries_the_id(bench: Bench) -> None:
    """Without it no answer finds its case."""
    at = desk(bench)
    deliveries = [bench.delivery(one) for one in bench.operations for _ in range(2)]
    found = sorted(ledger_id(row.reference) for row in read_back(bench, at, deliveries))
    require(found == sorted(str(one.id) for one in deliveries), "the records do not carry exactly the delivery ids")


@check(
    "values-in-the-declared-form",
    Area.MAPPING,
    zh=("金额以分、日期以八位数字写入", "按 docs 的取值规则书写金额与日期;不要自行格式化"),
    en=(
        "Amounts, dates and other values have the form that records declare",
        "Write amounts in cents and dates as eight digits, as the manual says of records",
    ),
    situations=FILES,
)
async def declared_form(bench: Bench) -> None:
    """12.50 read as 1250 yuan is a scandal."""
    at, seen = desk(bench), 0
    values: dict[str, tuple[JsonValue, ...]] = {
        "money": ("0.05", "1200.00"),
        "date": ("2024-02-29",),
        "month": ("2026-01",),
    }
    for operation in bench.operations:
        for field in operation.request:
            for value in values.get(field.type, ()):
                seen += 1
                rows = read_back(bench, at, [with_value(bench, operation, field.name, value)])
                found, wanted = rows[0].values.get(field.name), cell_text(value, field.type)
                require(found == wanted, "{0}.{1}: {2} is written as {3}", operation.key, field.name, value, found)
    if not seen:
        raise NotApplicable("no operation sends an amount or a date")


@check(
    "encoding-as-declared",
    Area.MAPPING,
    zh=("文字按声明的编码写入,生僻字不变", "按 encoding 声明编码;不要替换编码能够表示的字"),
    en=(
        "Text is written in the declared encoding, rare characters included",
        "Encode as encoding declares, and replace no character that it has",
    ),
    situations=FILES,
)
async def encoding_as_declared(bench: Bench) -> None:
    """A name with a question mark is another person."""
    at = desk(bench)
    rare = next(char for char in _RARE if is_encodable(char, at.table.encoding))
    for operation, field in texts(bench, 8):
        value = f"{rare}{bench.maker.text(field)[:4].encode('ascii', 'ignore').decode()}"
        rows = read_back(bench, at, [with_value(bench, operation, field.name, value)])
        require(
            rows[0].values.get(field.name) == value, "{0}.{1}: a rare character was changed", operation.key, field.name
        )


@check(
    "unwritable-characters-follow-the-rule",
    Area.MAPPING,
    zh=("编码中没有的字按 on_unencodable 处理", "拒绝(PermanentError)、按 substitutes 替换,或转纸质;绝不写成问号"),
    en=(
        "A character that the encoding lacks is handled as on_unencodable says",
        "Refuse it (PermanentError), write its declared substitute, or hand over to paper; never write a question mark",
    ),
    situations=FILES,
)
async def unwritable(bench: Bench) -> None:
    """What is not there cannot be guessed."""
    at = desk(bench)
    lacking = [char for char in _TOO_RARE if not is_encodable(char, at.table.encoding)]
    if not lacking:
        raise NotApplicable("{0} has every character", at.table.encoding)
    for char in lacking:
        for operation, field in texts(bench, 8):
            delivery = with_value(bench, operation, field.name, f"a{char}")
            substitute = at.table.substitutes.get(char)
            if substitute is not None:
                written(bench, at, delivery, field.name, f"a{substitute}")
                continue
            error = prepare_error(bench, delivery)
            require(isinstance(error, PermanentError), "{0}.{1}: ended as {2}", operation.key, field.name, told(error))
            to_paper = isinstance(error, DeliveryError) and error.code == NEEDS_PAPER
            require(to_paper == (at.table.on_unencodable == "paper"), "what cannot be written does not follow the rule")


@check(
    "widths-count-bytes",
    Area.MAPPING,
    zh=("宽度按字节计算,超长即拒绝", "按编码后的字节数比较 width_bytes;不要截断"),
    en=(
        "Widths are bytes: what is too long is refused, what just fits is written whole",
        "Compare the encoded length with width_bytes, and cut nothing off",
    ),
    situations=FILES,
)
async def widths(bench: Bench) -> None:
    """Half a character shifts every column after it."""
    at = desk(bench)
    if at.table.format not in {"fixed", "dbf"}:
        raise NotApplicable("this layout counts no widths")
    fields = [(one, field) for one in bench.operations for field in one.request if _has_width(field)]
    if not fields:
        raise NotApplicable("no text field has a width in bytes")
    for operation, field in fields:
        width = field.width_bytes or 0
        size = len(to_bytes("样", at.table.encoding))
        fits = "样" * (width // size) + "x" * (width % size)
        long = "样" * (width // size + 1)
        if field.max_length is None or len(fits) <= field.max_length:
            rows = read_back(bench, at, [with_value(bench, operation, field.name, fits)])
            require(
                rows[0].values.get(field.name) == fits, "{0}.{1}: a value that fits was cut", operation.key, field.name
            )
        error = prepare_error(bench, with_value(bench, operation, field.name, long))
        require(
            isinstance(error, PermanentError),
            "{0}.{1}: too many bytes ended as {2}",
            operation.key,
            field.name,
            told(error),
        )


def _has_width(field: RequestField) -> bool:
    return field.type in TEXTS and field.width_bytes is not None and field.width_bytes >= 8


@check(
    "values-cannot-break-a-record",
    Area.MAPPING,
    zh=("分隔符、引号、换行与控制字符不能破坏记录", "原样写入或拒绝(PermanentError);不得悄悄删改"),
    en=(
        "Separators, quotes, line breaks and control characters in a value cannot break a record",
        "Write the value exactly or refuse it (PermanentError); never drop or change a character",
    ),
    situations=FILES,
)
async def cannot_break(bench: Bench) -> None:
    """One comma in a name, and every column after it is somebody else's."""
    at = desk(bench)
    for operation, field in texts(bench, 12):
        for nasty in _NASTY:
            value = f"甲{nasty}乙"
            written(bench, at, with_value(bench, operation, field.name, value), field.name, value)


@check(
    "impossible-dates-are-refused",
    Area.MAPPING,
    zh=("不存在的日期在发送前拒绝", "日期须为真实日期;否则抛出 PermanentError"),
    en=("A date that does not exist is refused before anything leaves", "Raise PermanentError for a date that is none"),
    situations=FILES,
)
async def impossible_dates(bench: Bench) -> None:
    """The department would refuse the file, weeks later."""
    dates = [(one, field) for one in bench.operations for field in one.request if field.type == "date"]
    if not dates:
        raise NotApplicable("no operation sends a date")
    for operation, field in dates:
        for value in ("2025-02-29", "样例", f"{date(2026, 1, 1):%d/%m/%Y}"):
            error = prepare_error(bench, with_value(bench, operation, field.name, value))
            require(
                isinstance(error, PermanentError),
                "{0}.{1}: no date ended as {2}",
                operation.key,
                field.name,
                told(error),
            )


CHECKS = (carries_the_id, declared_form, encoding_as_declared, unwritable, widths, cannot_break, impossible_dates)
