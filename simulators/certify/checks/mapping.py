"""How fields become a message."""

import copy
from dataclasses import replace

from pydantic import JsonValue

from contracts.catalogue import Operation, RequestField
from contracts.delivery import Delivery
from contracts.errors import DeliveryError, PermanentError
from contracts.plugin import Preparing
from contracts.situation import Situation
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.deliveries import TEXTS
from simulators.certify.readable import names, texts
from simulators.certify.verdict import Failed, NotApplicable, Reason, reason, require

API = (Situation.API,)
MESSAGES = (Situation.API, Situation.FILE_DROP)
"""Where a message of bytes leaves."""


def preparing(bench: Bench) -> Preparing:
    """The gateway, which can prepare."""
    whole: object = bench.gateway
    assert isinstance(whole, Preparing)
    return whole


@check(
    "prepare-is-repeatable",
    Area.MAPPING,
    zh=("同一送达两次映射得到相同字节", "prepare 中不得使用时间、随机数或计数器"),
    en=("Preparing a delivery twice gives the same bytes", "Keep time, randomness and counters out of prepare"),
    needs=(Preparing,),
)
async def prepare_is_repeatable(bench: Bench) -> None:
    """What is stored with the first attempt must be what the second would have sent."""
    for operation in bench.operations:
        delivery = bench.delivery(operation)
        first, second = (preparing(bench).prepare(copy.deepcopy(delivery)) for _ in range(2))
        require(first == second, "{0}: two messages of one delivery differ", operation.key)


@check(
    "input-is-left-alone",
    Area.MAPPING,
    zh=("映射不改动传入的送达", "prepare 与 deliver 不得修改 delivery.fields,请先复制"),
    en=("Mapping leaves the delivery as it was", "Copy before you change: prepare must not touch delivery.fields"),
    needs=(Preparing,),
)
async def input_is_left_alone(bench: Bench) -> None:
    """The hub keeps and journals what it handed over."""
    for operation in bench.operations:
        delivery = bench.delivery(operation)
        before = copy.deepcopy(delivery)
        preparing(bench).prepare(delivery)
        require(delivery == before, "{0}: prepare changed the fields of the delivery", operation.key)


@check(
    "only-declared-fields-leave",
    Area.MAPPING,
    zh=("未声明的字段不会离开", "只映射该业务 request 中列出的字段"),
    en=(
        "A field that the operation does not declare never leaves",
        "Map only the fields that the operation lists under request",
    ),
    needs=(Preparing,),
)
async def only_declared_fields_leave(bench: Bench) -> None:
    """Data minimisation: the allow-list is the law's."""
    for operation in bench.operations:
        mark = bench.maker.secret_text()
        fields = {"undeclared": mark, "id_no": mark, **bench.maker.fields(operation)}
        message = preparing(bench).prepare(bench.delivery(operation, fields=fields))
        require(mark.encode() not in message, "{0}: an undeclared field is in the message", operation.key)


@check(
    "missing-required-field-is-refused",
    Area.MAPPING,
    zh=("缺少必填字段时在发送前拒绝", "必填字段缺失时 prepare 应抛出 PermanentError"),
    en=(
        "A delivery without a required field is refused before anything leaves",
        "Let prepare raise PermanentError where a required field is missing",
    ),
    needs=(Preparing,),
)
async def missing_required_field_is_refused(bench: Bench) -> None:
    """Half a message is a rejected case, weeks later."""
    for operation in bench.operations:
        for field in operation.request:
            if not field.required:
                continue
            fields = bench.maker.fields(operation)
            del fields[field.name]
            refused(
                bench, bench.delivery(operation, fields=fields), reason("{0} without {1}", operation.key, field.name)
            )


@check(
    "unknown-operation-is-refused",
    Area.MAPPING,
    zh=("未知业务在发送前拒绝", "对不认识的 operation 抛出 PermanentError"),
    en=(
        "An operation that the channel does not know is refused",
        "Raise PermanentError for an operation you do not know",
    ),
    needs=(Preparing,),
)
async def unknown_operation_is_refused(bench: Bench) -> None:
    """A table that was renamed must not send the case somewhere else."""
    delivery = replace(bench.delivery(bench.operations[0]), operation="no_such_operation")
    refused(bench, delivery, reason("an unknown operation"))


def refused(bench: Bench, delivery: Delivery, what: Reason) -> None:
    """Raises Failed unless preparing the delivery is a PermanentError."""
    error = prepare_error(bench, delivery)
    require(isinstance(error, PermanentError), "{0} ended as {1}, not as PermanentError", what, told(error))


def prepare_error(bench: Bench, delivery: Delivery) -> DeliveryError | None:
    """What preparing raises. Raises Failed for what the hub would count as a bug."""
    try:
        preparing(bench).prepare(delivery)
    except DeliveryError as error:
        return error
    except Exception as error:
        raise Failed("prepare raised {0}, which is no DeliveryError", type(error).__name__) from error
    return None


def told(outcome: object) -> str | Reason:
    """An outcome in a word: the name of its class, and the code of an error."""
    if isinstance(outcome, DeliveryError):
        return f"{type(outcome).__name__} ({outcome.code})"
    return reason("nothing at all") if outcome is None else type(outcome).__name__


def texts_of(operation: Operation) -> list[RequestField]:
    """Its fields that hold free text."""
    return [field for field in operation.request if field.type in TEXTS]


def fitting(text: str, field: RequestField) -> str:
    """As much of a text as the field takes."""
    return text[: field.max_length] if field.max_length is not None else text


@check(
    "every-declared-field-is-sent",
    Area.MAPPING,
    zh=("声明的每个字段都进入报文", "不发送的字段不要在 request 中声明:不用就不取"),
    en=(
        "Every field that the operation declares is in the message",
        "Take out of request what the message does not carry: what is not sent need not be handed over",
    ),
    needs=(Preparing,),
    situations=MESSAGES,
)
async def every_declared_field_is_sent(bench: Bench) -> None:
    """Data minimisation, the other way round."""
    for operation in bench.operations:
        for field in operation.request:
            plain = bench.delivery(operation)
            other = bench.maker.another(field, plain.fields[field.name])
            if other is None:
                continue
            both = [preparing(bench).prepare(one) for one in (plain, _with(plain, field.name, other))]
            require(both[0] != both[1], "{0}: {1} makes no difference to the message", operation.key, field.name)


def _with(delivery: Delivery, name: str, value: JsonValue) -> Delivery:
    return replace(delivery, fields={**delivery.fields, name: value})


@check(
    "optional-fields-may-be-empty",
    Area.MAPPING,
    zh=("可选字段缺失或为空时照常映射", "可选字段没有值时省略或发送空值,不得出错"),
    en=(
        "A delivery without its optional fields becomes a message",
        "Leave an optional field out, or send it empty, where it has no value; do not raise",
    ),
    needs=(Preparing,),
)
async def optional_fields_may_be_empty(bench: Bench) -> None:
    """Most cases do not fill every field."""
    for operation in bench.operations:
        fields = bench.maker.fields(operation)
        needed = {field.name: fields[field.name] for field in operation.request if field.required}
        empty = {field.name: "" for field in operation.request if not field.required and field.type in TEXTS}
        for what, given in ((reason("without them"), needed), (reason("with them empty"), {**needed, **empty})):
            error = prepare_error(bench, bench.delivery(operation, fields=given))
            require(error is None, "{0}: {1} it ended as {2}", operation.key, what, told(error))


@check(
    "long-values-are-refused",
    Area.MAPPING,
    zh=("超长的值拒绝发送,绝不截断", "超过 max_length 时抛出 PermanentError"),
    en=("A value that is too long is refused and never cut", "Raise PermanentError beyond max_length"),
    needs=(Preparing,),
    situations=MESSAGES,
)
async def long_values_are_refused(bench: Bench) -> None:
    """Half a name is another person."""
    limited = [(one, field) for one in bench.operations for field in texts_of(one) if field.max_length is not None]
    if not limited:
        raise NotApplicable("no text has a longest length")
    for operation, field in limited:
        long = "长" * ((field.max_length or 0) + 1)
        refused(
            bench,
            _with(bench.delivery(operation), field.name, long),
            reason("{0} with a long {1}", operation.key, field.name),
        )


@check(
    "rare-characters-arrive",
    Area.MAPPING,
    zh=("生僻字原样送达,或拒绝发送", "编码写不出的字抛出 PermanentError(needs_paper),不得替换为问号"),
    en=(
        "A rare character arrives as it is, or the message is refused",
        "Raise PermanentError for what the encoding cannot say; never replace it",
    ),
    needs=(Preparing,),
    situations=API,
)
async def rare_characters_arrive(bench: Bench) -> None:
    """Names are the last place where a character may be replaced."""
    for operation in bench.operations:
        for field in texts_of(operation):
            _arrives(bench, operation, field, "㛃𠮷·")


@check(
    "markup-is-escaped",
    Area.MAPPING,
    zh=("带有标记与引号的值不改变报文结构", "用库生成 JSON 或 XML,不要拼接字符串"),
    en=(
        "Markup and quotes in a value do not change the message's structure",
        "Write JSON and XML with a library, never by joining strings",
    ),
    needs=(Preparing,),
    situations=API,
)
async def markup_is_escaped(bench: Bench) -> None:
    """A name must not become an element."""
    for operation in bench.operations:
        for field in texts_of(operation):
            for text in ("</a><b>1</b>", "<x/>&amp;]]>", '","id":"1', "'\\"):
                if len(fitting(text, field)) == len(text):
                    _arrives(bench, operation, field, text)


@check(
    "control-characters-do-no-harm",
    Area.MAPPING,
    zh=("控制字符不破坏报文:转义或拒绝", "写不出的控制字符抛出 PermanentError"),
    en=(
        "Control characters leave the message readable, or it is refused",
        "Raise PermanentError for control characters that the form cannot say",
    ),
    needs=(Preparing,),
    situations=API,
)
async def control_characters(bench: Bench) -> None:
    """They come with what is pasted."""
    for operation in bench.operations:
        for field in texts_of(operation)[:2]:
            for sign in ("\x00", "\x0b", "\x1b", "\ufffe"):
                _arrives(bench, operation, field, f"样例{sign}")


def _arrives(bench: Bench, operation: Operation, field: RequestField, text: str) -> None:
    """The text is in a message of the usual structure, or refused. Raises Failed."""
    text = fitting(text, field)
    plain = bench.delivery(operation)
    given = _with(plain, field.name, text)
    error = prepare_error(bench, given)
    if error is not None:
        require(isinstance(error, PermanentError), "{0}: {1} ended as {2}", operation.key, field.name, told(error))
        return
    message = preparing(bench).prepare(given)
    try:
        found = texts(message)
        same = names(message) == names(preparing(bench).prepare(plain))
    except ValueError as broken:
        raise Failed("{0}: {1} makes a message that nobody can read", operation.key, field.name) from broken
    require(any(text.strip() in one for one in found), "{0}: {1} does not arrive as it was", operation.key, field.name)
    require(same, "{0}: {1} changes the structure of the message", operation.key, field.name)


@check(
    "wrong-types-are-refused",
    Area.MAPPING,
    zh=("类型不对的值在发送前拒绝", "映射时核对类型,不符即抛出 PermanentError"),
    en=(
        "A value of the wrong type is refused before anything leaves",
        "Check types when you map, and raise PermanentError",
    ),
    needs=(Preparing,),
    situations=MESSAGES,
)
async def wrong_types_are_refused(bench: Bench) -> None:
    """A form that changed must not reach the department as nonsense."""
    typed = [
        (one, field)
        for one in bench.operations
        for field in one.request
        if field.type in ("int", "date", "money", "table")
    ]
    if not typed:
        raise NotApplicable("every field is a text or a code")
    for operation, field in typed:
        given = _with(bench.delivery(operation), field.name, "不是")
        refused(bench, given, reason("{0} with a text for {1}", operation.key, field.name))


CHECKS = (
    prepare_is_repeatable,
    input_is_left_alone,
    only_declared_fields_leave,
    every_declared_field_is_sent,
    missing_required_field_is_refused,
    optional_fields_may_be_empty,
    unknown_operation_is_refused,
    long_values_are_refused,
    wrong_types_are_refused,
    rare_characters_arrive,
    markup_is_escaped,
    control_characters,
)
