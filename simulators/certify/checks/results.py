"""The lines of result files: what each code means, whose answer it is, and what a bad line costs."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from contracts.catalogue import Operation, ResultKind
from contracts.delivery import Completed, Decision, Delivery, Outcome, Returned
from contracts.errors import DeliveryError, DuplicateError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.plugin import Collecting
from contracts.situation import Situation
from simulators.certify.batches import (
    about,
    arrived,
    code_of,
    desk,
    good_code,
    members,
    only,
    operation_of,
    replies,
    sealed,
)
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.checks.mapping import told
from simulators.certify.file_desk import FileDesk
from simulators.certify.verdict import Reason, require
from simulators.file_forms import Result

FILES = (Situation.FILE_DROP,)
NEEDS = (Collecting,)
_STRANGER = UUID("00000000-0000-4000-8000-00000000cafe")


def good(bench: Bench, at: FileDesk, delivery: Delivery) -> Result:
    """A line that settles a delivery."""
    return at.result(delivery, good_code(bench, operation_of(bench, delivery)))


def settled(outcome: object) -> bool:
    """Whether it says that the department has done its part."""
    return isinstance(outcome, Completed)


def no_success(found: list[Any], delivery: Delivery, what: Reason) -> None:
    """Raises Failed where anything says that the delivery is settled."""
    require(not any(map(settled, about(found, delivery))), "{0} was taken for a success", what)


_MEANS: dict[ResultKind, tuple[type[Outcome | DeliveryError], Decision | None]] = {
    ResultKind.GRANTED: (Completed, Decision.GRANTED),
    ResultKind.REFUSED: (Completed, Decision.REFUSED),
    ResultKind.DONE: (Completed, Decision.DONE),
    ResultKind.RETURNED: (Returned, None),
    ResultKind.TEMPORARY: (TemporaryError, None),
    ResultKind.PERMANENT: (PermanentError, None),
}


@check(
    "result-codes-as-declared",
    Area.EXCHANGE,
    zh=("结果文件中每个结果码都按声明理解", "按 result_codes 映射每个结果码"),
    en=(
        "Every code in a result file means what is declared",
        "Map each code as result_codes says: granted, refused, done, returned, temporary or permanent",
    ),
    situations=FILES,
    needs=NEEDS,
)
async def codes_as_declared(bench: Bench) -> None:
    """A refusal read as an error is sent again."""
    at = desk(bench)
    laid: list[tuple[Operation, str, Delivery]] = [
        (operation, code, bench.prepared(bench.delivery(operation)))
        for operation in bench.operations
        for code in operation.result_codes.get(Situation.FILE_DROP, {})
    ]
    at.lay(*(at.result(delivery, code) for _, code, delivery in laid))
    found = await replies(bench)
    for operation, code, delivery in laid:
        declared, end = operation.result_codes[Situation.FILE_DROP][code], only(found, delivery)
        kind, decision = (DuplicateError, None) if declared.duplicate else _MEANS[declared.outcome]
        is_meant = isinstance(end, kind) and (decision is None or getattr(end, "decision", None) is decision)
        require(is_meant, "{0}: code {1} ended as {2}", operation.key, code, told(end))


@check(
    "undeclared-code-in-a-file",
    Area.EXCHANGE,
    zh=("结果文件中未声明的结果码绝不算成功", "对未知结果码给出 OutcomeUnknownError"),
    en=(
        "A code that nobody declared is never a success in a result file",
        "Give OutcomeUnknownError for a code you do not know",
    ),
    situations=FILES,
    needs=NEEDS,
)
async def undeclared_code(bench: Bench) -> None:
    """Departments add codes without telling."""
    at, (delivery,) = desk(bench), members(bench, 1)
    known = operation_of(bench, delivery).result_codes.get(Situation.FILE_DROP, {})
    at.lay(at.result(delivery, next(one for one in ("77", "78", "79") if one not in known)))
    end = only(await replies(bench), delivery)
    require(isinstance(end, OutcomeUnknownError), "an undeclared code ended as {0}", told(end))


@check(
    "answers-are-not-swapped",
    Area.EXCHANGE,
    zh=("结果按送达编号对应,与行序无关", "用记录中的送达编号匹配,不要按顺序匹配"),
    en=(
        "Answers go to their deliveries whatever the order of the lines",
        "Match by the delivery id in the record, never by order",
    ),
    situations=FILES,
    needs=NEEDS,
)
async def not_swapped(bench: Bench) -> None:
    """Another person's decision is the worst answer of all."""
    at, operation = desk(bench), bench.operations[0]
    other = code_of(bench, operation, (ResultKind.RETURNED, ResultKind.REFUSED))
    first, second = (bench.prepared(bench.delivery(operation)) for _ in range(2))
    await arrived(bench, sealed(bench, (first, second)))
    at.lay(at.result(second, other), good(bench, at, first))
    found = await replies(bench)
    require(settled(only(found, first)), "the answer of another delivery was given to the first")
    end = only(found, second)
    require(isinstance(end, Returned) or getattr(end, "decision", None) is Decision.REFUSED, "two answers are swapped")


@check(
    "bad-line-costs-only-itself",
    Area.EXCHANGE,
    zh=("一行读不懂,不影响同文件其他行", "逐行给出结论;坏行为 OutcomeUnknownError"),
    en=(
        "A line that cannot be read costs only itself",
        "Give each line its own verdict; a bad one is an OutcomeUnknownError",
    ),
    situations=FILES,
    needs=NEEDS,
)
async def bad_line(bench: Bench) -> None:
    """One slip of theirs must not hide five thousand answers."""
    at, (first, second, third) = desk(bench), members(bench, 3)
    bad = good(bench, at, second)
    typed = [one.name for one in operation_of(bench, second).reply if one.type in {"date", "money", "int"}]
    known = operation_of(bench, second).result_codes[Situation.FILE_DROP]
    code = {} if typed else {"code": next(one for one in ("77", "78", "79") if one not in known)}
    cells = dict.fromkeys(typed[:1], "x")
    at.lay(
        good(bench, at, first),
        replace(bad, fields={**bad.fields, **cells}, lead={**bad.lead, **code}),
        good(bench, at, third),
    )
    found = await replies(bench)
    require(settled(only(found, first)) and settled(only(found, third)), "good lines of the file were lost")
    ends = about(found, second)
    require(all(isinstance(one, OutcomeUnknownError) for one in ends), "a line that cannot be read got a meaning")


@check(
    "line-of-a-stranger",
    Area.EXCHANGE,
    zh=("不认识的送达编号不影响其他行,也不归到别人名下", "按原编号上报;读不出编号的行略过并注明"),
    en=(
        "A line about a delivery that nobody knows is nobody else's, and the others count",
        "Report it under the id that it names; pass over a line whose id cannot be read",
    ),
    situations=FILES,
    needs=NEEDS,
)
async def stranger(bench: Bench) -> None:
    """Two hubs may share a folder."""
    at, (delivery,) = desk(bench), members(bench, 1)
    foreign = replace(delivery, id=_STRANGER)
    at.lay(good(bench, at, foreign), good(bench, at, delivery), at.result(foreign, "00", reference="-"))
    found = await replies(bench)
    require(settled(only(found, delivery)), "the answer beside a stranger's was lost")
    require({one.delivery_id for one in found} <= {delivery.id, _STRANGER}, "a reply names an id that no line has")


@check(
    "line-that-comes-twice",
    Area.EXCHANGE,
    zh=("同一行出现两次,两次含义相同", "重复行照实上报,由中枢去重"),
    en=("A line that comes twice means the same twice", "Report both as they are: the hub drops what it has"),
    situations=FILES,
    needs=NEEDS,
)
async def line_twice(bench: Bench) -> None:
    """A contradiction would go to a person, for nothing."""
    at, (delivery,) = desk(bench), members(bench, 1)
    line = good(bench, at, delivery)
    at.lay(line, line)
    ends = about(await replies(bench), delivery)
    require(len(ends) >= 1 and all(map(settled, ends)), "a repeated line has another meaning")


@check(
    "late-result-still-counts",
    Area.EXCHANGE,
    zh=("迟到的结果仍然有效", "不要因时间过久而丢弃结果"),
    en=("A result that comes late still counts", "Do not drop a result for its age"),
    situations=FILES,
    needs=NEEDS,
)
async def late_result(bench: Bench) -> None:
    """The hub decides what a late answer is worth."""
    at, (delivery,) = desk(bench), members(bench, 1)
    await arrived(bench, sealed(bench, (delivery,)))
    before = bench.runtime.ahead
    bench.runtime.ahead = before + timedelta(days=400)
    try:
        at.lay(good(bench, at, delivery))
        require(settled(only(await replies(bench), delivery)), "a late result was not believed")
    finally:
        bench.runtime.ahead = before


CHECKS = (codes_as_declared, undeclared_code, not_swapped, bad_line, stranger, line_twice, late_result)
