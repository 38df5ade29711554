"""How fields become a message."""

import copy
from dataclasses import replace

from contracts.delivery import Delivery
from contracts.errors import DeliveryError, PermanentError
from contracts.plugin import Preparing
from contracts.situation import Situation
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.verdict import Failed, require

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
        require(first == second, f"{operation.key}: two messages of one delivery differ")


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
        require(delivery == before, f"{operation.key}: prepare changed the fields of the delivery")


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
        require(mark.encode() not in message, f"{operation.key}: an undeclared field is in the message")


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
            refused(bench, bench.delivery(operation, fields=fields), f"{operation.key} without {field.name}")


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
    refused(bench, delivery, "an unknown operation")


def refused(bench: Bench, delivery: Delivery, what: str) -> None:
    """Raises Failed unless preparing the delivery is a PermanentError."""
    error = prepare_error(bench, delivery)
    require(isinstance(error, PermanentError), f"{what} ended as {told(error)}, not as PermanentError")


def prepare_error(bench: Bench, delivery: Delivery) -> DeliveryError | None:
    """What preparing raises. Raises Failed for what the hub would count as a bug."""
    try:
        preparing(bench).prepare(delivery)
    except DeliveryError as error:
        return error
    except Exception as error:
        raise Failed(f"prepare raised {type(error).__name__}, which is no DeliveryError") from error
    return None


def told(outcome: object) -> str:
    """An outcome in a word."""
    if isinstance(outcome, DeliveryError):
        return f"{type(outcome).__name__} ({outcome.code})"
    return "nothing at all" if outcome is None else type(outcome).__name__


CHECKS = (
    prepare_is_repeatable,
    input_is_left_alone,
    only_declared_fields_leave,
    missing_required_field_is_refused,
    unknown_operation_is_refused,
)
