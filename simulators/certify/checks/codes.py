"""What a department says with its codes: each becomes what it was declared as."""

from contracts.catalogue import Operation, ResultKind
from contracts.delivery import Completed, Decision, Outcome, Returned
from contracts.errors import DeliveryError, DuplicateError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.situation import Situation
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.checks.mapping import told
from simulators.certify.verdict import Failed, NotApplicable, reason, require

API = (Situation.API,)


async def said(bench: Bench, operation: Operation, code: str) -> Outcome | DeliveryError:
    """How a delivery ends when the department says ``code``, at once or later. Raises NotApplicable at a test endpoint."""
    place = bench.simulated
    place.code = code
    try:
        return await bench.settled(bench.delivery(operation))
    finally:
        place.code = None


async def each_code(bench: Bench, *kinds: ResultKind, duplicate: bool = False) -> list[tuple[Operation, str, object]]:
    """How deliveries end for every code of some kinds: operation, code, end. Raises NotApplicable where no operation has one."""
    ends: list[tuple[Operation, str, object]] = []
    for operation in bench.operations:
        for code, found in operation.result_codes.get(bench.channel.situation, {}).items():
            if found.outcome in kinds and found.duplicate is duplicate:
                ends.append((operation, code, await said(bench, operation, code)))
    if not ends:
        raise NotApplicable("no code of this channel means {0}", reason("a duplicate") if duplicate else kinds[0].value)
    return ends


@check(
    "success-is-a-decision",
    Area.EXCHANGE,
    zh=("表示办结的每个结果码都成为办结", "核对 result_codes 中 completed.granted 与 completed.done 的映射"),
    en=(
        "Every code that settles a delivery settles it as declared",
        "Correct what result_codes says of the codes that mean completed.granted and completed.done",
    ),
    situations=API,
)
async def success_is_a_decision(bench: Bench) -> None:
    """What the resident waits for."""
    wanted = {ResultKind.GRANTED: Decision.GRANTED, ResultKind.DONE: Decision.DONE}
    for operation, code, end in await each_code(bench, ResultKind.GRANTED, ResultKind.DONE):
        decision = wanted[operation.result_codes[bench.channel.situation][code].outcome]
        is_it = isinstance(end, Completed) and end.decision is decision
        require(is_it, "{0}: code {1} ended as {2}", operation.key, code, told(end))


@check(
    "answers-bring-their-fields",
    Area.EXCHANGE,
    zh=("声明的答复字段都能取回", "核对 reply 的字段名、类型与映射行"),
    en=(
        "Every reply field that the operation declares comes back",
        "Correct names, types and rows of the operation's reply fields",
    ),
    situations=API,
)
async def answers_bring_their_fields(bench: Bench) -> None:
    """Later steps and the resident's notice are made of them."""
    for operation in bench.operations:
        codes = operation.result_codes[bench.channel.situation].items()
        code = next((code for code, one in codes if one.outcome in _SETTLES and not one.none_found), None)
        if code is None:
            continue
        end = await said(bench, operation, code)
        got = set(end.fields) if isinstance(end, Completed) else set[str]()
        missing = sorted({field.name for field in operation.reply} - got)
        require(not missing, "{0}: the answer is without {1}", operation.key, missing)


_SETTLES = frozenset({ResultKind.GRANTED, ResultKind.DONE})


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
        require(is_refusal, "{0}: code {1} ended as {2}", operation.key, code, told(end))


@check(
    "return-wants-a-correction",
    Area.EXCHANGE,
    zh=("退回成为退回补正", "把该结果码映射为 returned"),
    en=("A return becomes a return, not a refusal and not an error", "Map the code to returned"),
    situations=API,
)
async def return_wants_a_correction(bench: Bench) -> None:
    """The resident may mend the papers and come again."""
    for operation, code, end in await each_code(bench, ResultKind.RETURNED):
        require(isinstance(end, Returned), "{0}: code {1} ended as {2}", operation.key, code, told(end))


@check(
    "busy-is-temporary",
    Area.EXCHANGE,
    zh=("表示稍后再试的结果码成为暂时性错误", "把该结果码映射为 temporary"),
    en=("A code that means try again later is a TemporaryError", "Map the code to temporary"),
    situations=API,
)
async def busy_is_temporary(bench: Bench) -> None:
    """The hub comes again by itself."""
    for operation, code, end in await each_code(bench, ResultKind.TEMPORARY):
        require(isinstance(end, TemporaryError), "{0}: code {1} ended as {2}", operation.key, code, told(end))


@check(
    "rejection-is-permanent",
    Area.EXCHANGE,
    zh=("拒收报文的结果码成为永久性错误", "把该结果码映射为 permanent"),
    en=("A code that rejects the message is a PermanentError", "Map the code to permanent"),
    situations=API,
)
async def rejection_is_permanent(bench: Bench) -> None:
    """Sent again it would be rejected again."""
    for operation, code, end in await each_code(bench, ResultKind.PERMANENT):
        is_it = isinstance(end, PermanentError) and not isinstance(end, DuplicateError)
        require(is_it, "{0}: code {1} ended as {2}", operation.key, code, told(end))


@check(
    "duplicate-is-known",
    Area.EXCHANGE,
    zh=("部门称已有此件的结果码成为 DuplicateError", "在该结果码上写 duplicate = true,或抛出 DuplicateError"),
    en=(
        "A code that says that the department has it already is a DuplicateError",
        "Say duplicate = true of the code, or raise DuplicateError",
    ),
    situations=API,
)
async def duplicate_is_known(bench: Bench) -> None:
    """After an unknown outcome it is good news."""
    for operation, code, end in await each_code(bench, ResultKind.PERMANENT, duplicate=True):
        require(isinstance(end, DuplicateError), "{0}: code {1} ended as {2}", operation.key, code, told(end))


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
        try:
            end: object = await said(bench, operation, code)
        except Failed:
            # A callback with such a code is refused, a list leaves it out: either way nobody takes it for an answer.
            continue
        require(isinstance(end, OutcomeUnknownError), "{0}: an undeclared code ended as {1}", operation.key, told(end))


CHECKS = (
    success_is_a_decision,
    answers_bring_their_fields,
    refusal_is_a_decision,
    return_wants_a_correction,
    busy_is_temporary,
    rejection_is_permanent,
    duplicate_is_known,
    unknown_code_is_unknown,
)
