"""A message and its answer: what each code means, what is done once, what comes later."""

from contracts.catalogue import Answers, Operation, ResultKind
from contracts.delivery import AwaitingReply, Completed, Decision, Outcome, Returned
from contracts.errors import DeliveryError, OutcomeUnknownError
from contracts.situation import Situation
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.checks.mapping import told
from simulators.certify.verdict import NotApplicable, require

API = (Situation.API,)


@check(
    "check-has-no-effect",
    Area.EXCHANGE,
    zh=("check() 证明可达,且不产生业务", "check() 只读:查询一个不存在的编号,或取一个页面"),
    en=(
        "check() proves the way and has no effect",
        "Let check() read only: enquire about an id that nobody has, or ask for a page",
    ),
    situations=API,
)
async def check_has_no_effect(bench: Bench) -> None:
    """It runs again and again, and at night."""
    before = bench.api.effects
    error = await bench.tried("check", bench.gateway.check())
    require(error is None, f"check() ended as {told(error)}")
    require(bench.api.effects == before, "check() made the department act")


@check(
    "good-delivery",
    Area.EXCHANGE,
    zh=("每项业务的正常送达一次成功", "核对地址、报文映射与鉴权;详见原因"),
    en=(
        "A good delivery of each operation succeeds, with one message and one effect",
        "Correct address, map and credentials; the reason says where it failed",
    ),
    situations=API,
)
async def good_delivery(bench: Bench) -> None:
    """Everything else rests on this."""
    for operation in bench.operations:
        arrivals, effects = len(bench.api.proxy.messages), bench.api.effects
        outcome = await bench.deliver(bench.delivery(operation))
        wanted = (AwaitingReply,) if operation.answers is Answers.LATER else (Completed, Returned)
        require(isinstance(outcome, wanted), f"{operation.key} ended as {told(outcome)}")
        arrived = len(bench.api.proxy.messages) - arrivals
        require(arrived == 1, f"{operation.key}: {arrived} messages for one attempt")
        if bench.api.ledger is not None:
            done = bench.api.effects - effects
            require(done == 1, f"{operation.key}: the department acted {done} times")


async def said(bench: Bench, operation: Operation, code: str) -> Outcome | DeliveryError:
    """How a delivery ends when the department says ``code``, at once or later. Raises NotApplicable at a test endpoint."""
    place = bench.simulated
    place.code = code
    try:
        return await bench.settled(bench.delivery(operation))
    finally:
        place.code = None


async def each_code(bench: Bench, kind: ResultKind, *, duplicate: bool = False) -> list[tuple[Operation, str, object]]:
    """How deliveries end for every code of a kind: operation, code, end. Raises NotApplicable where no operation has one."""
    ends: list[tuple[Operation, str, object]] = []
    for operation in bench.operations:
        for code, found in operation.result_codes.get(bench.channel.situation, {}).items():
            if found.outcome is kind and found.duplicate is duplicate:
                ends.append((operation, code, await said(bench, operation, code)))
    if not ends:
        raise NotApplicable(f"no code of this channel means {'a duplicate' if duplicate else kind.value}")
    return ends


@check(
    "refusal-is-a-decision",
    Area.EXCHANGE,
    zh=("不予许可是业务决定,不是差错", "把该结果码映射为 completed.refused,而非错误"),
    en=(
        "A refusal is a decision and no error",
        "Map the code to completed.refused; do not raise for a business decision",
    ),
    situations=API,
)
async def refusal_is_a_decision(bench: Bench) -> None:
    """An error would be sent again."""
    for operation, code, end in await each_code(bench, ResultKind.REFUSED):
        is_refusal = isinstance(end, Completed) and end.decision is Decision.REFUSED
        require(is_refusal, f"{operation.key}: code {code} ended as {told(end)}")


@check(
    "unknown-code-is-unknown",
    Area.EXCHANGE,
    zh=("未声明的结果码绝不算成功", "对未知结果码抛出 OutcomeUnknownError,并在 result_codes 中补登"),
    en=(
        "A code that nobody declared is never a success",
        "Raise OutcomeUnknownError for a code you do not know, and declare it in result_codes",
    ),
    situations=API,
)
async def unknown_code_is_unknown(bench: Bench) -> None:
    """Departments add codes without telling."""
    for operation in bench.classes:
        codes = operation.result_codes.get(bench.channel.situation, {})
        code = next(one for one in ("77", "78", "79") if one not in codes)
        if operation.answers is Answers.LATER:
            continue
        end = await said(bench, operation, code)
        require(isinstance(end, OutcomeUnknownError), f"{operation.key}: an undeclared code ended as {told(end)}")


CHECKS = (check_has_no_effect, good_delivery, refusal_is_a_decision, unknown_code_is_unknown)
