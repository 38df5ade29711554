"""What comes back on paper: the ticked box, the reason beside it, the lines that were filled in."""

from contracts.catalogue import Operation, ResultKind
from contracts.delivery import Completed, Confirmation, Decision, Outcome, Returned
from contracts.errors import DeliveryError, PermanentError, TemporaryError
from contracts.plugin import Printing
from contracts.records import Fields
from contracts.situation import Situation
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.checks.mapping import told
from simulators.certify.paper_place import paper_delivery, printing
from simulators.certify.verdict import Failed, NotApplicable, require
from simulators.plausible import plausible

PAPER = (Situation.PAPER,)
NEEDS = (Printing,)

_MEANS: dict[ResultKind, tuple[type[Outcome | DeliveryError], Decision | None]] = {
    ResultKind.GRANTED: (Completed, Decision.GRANTED),
    ResultKind.REFUSED: (Completed, Decision.REFUSED),
    ResultKind.DONE: (Completed, Decision.DONE),
    ResultKind.RETURNED: (Returned, None),
    ResultKind.TEMPORARY: (TemporaryError, None),
    ResultKind.PERMANENT: (PermanentError, None),
}


def confirmed(
    bench: Bench, operation: Operation, code: str, fields: Fields | None = None, reason: str | None = None
) -> Outcome | DeliveryError:
    """What a keyed sheet means. Raises Failed for what the hub would count as a bug."""
    keyed = Confirmation(result_code=code, fields=fields or {}, reason_code=reason)
    try:
        return printing(bench).confirm(paper_delivery(bench, operation), keyed)
    except DeliveryError as error:
        return error
    except Exception as error:
        raise Failed("confirm raised {0}, which is no DeliveryError", type(error).__name__) from error


def boxes(bench: Bench, operation: Operation, kind: ResultKind) -> list[str]:
    """The boxes of an operation with one meaning."""
    codes = operation.result_codes.get(Situation.PAPER, {})
    return [code for code, found in codes.items() if found.outcome is kind]


@check(
    "every-box-confirms",
    Area.EXCHANGE,
    zh=("每个方框按声明确认", "按 result_codes 解释勾选的方框"),
    en=("Every box confirms as declared", "Give the ticked box the meaning of result_codes"),
    situations=PAPER,
    needs=NEEDS,
)
async def every_box_confirms(bench: Bench) -> None:
    """A refusal keyed as granted is a scandal."""
    for operation in bench.operations:
        for code, found in operation.result_codes.get(Situation.PAPER, {}).items():
            end = confirmed(bench, operation, code, reason="other")
            kind, decision = _MEANS[found.outcome]
            is_meant = isinstance(end, kind) and (decision is None or getattr(end, "decision", None) is decision)
            require(is_meant, "{0}: box {1} ended as {2}", operation.key, code, told(end))


@check(
    "undeclared-box-is-refused",
    Area.EXCHANGE,
    zh=("未声明的方框被拒绝", "对未知方框抛出 PermanentError"),
    en=("A box that the sheet does not have is refused", "Raise PermanentError for a box you do not know"),
    situations=PAPER,
    needs=NEEDS,
)
async def undeclared_box(bench: Bench) -> None:
    """A slip of the key must not decide a case."""
    for operation in bench.operations:
        known = operation.result_codes.get(Situation.PAPER, {})
        for code in (next(one for one in ("Z", "Y", "77") if one not in known), ""):
            end = confirmed(bench, operation, code, reason="other")
            require(isinstance(end, PermanentError), "{0}: an undeclared box ended as {1}", operation.key, told(end))


@check(
    "returned-box-needs-its-reason",
    Area.EXCHANGE,
    zh=("退回须有理由", "退回而无理由时抛出 PermanentError"),
    en=("A returned sheet needs its reason", "Raise PermanentError where a return comes without a reason"),
    situations=PAPER,
    needs=NEEDS,
)
async def returned_needs_reason(bench: Bench) -> None:
    """The resident must hear what is missing."""
    found = [(one, code) for one in bench.operations for code in boxes(bench, one, ResultKind.RETURNED)]
    if not found:
        raise NotApplicable("no box returns a sheet")
    for operation, code in found:
        end = confirmed(bench, operation, code)
        require(
            isinstance(end, PermanentError),
            "{0}: box {1} without a reason ended as {2}",
            operation.key,
            code,
            told(end),
        )


@check(
    "keyed-lines-come-back",
    Area.EXCHANGE,
    zh=("填写的内容按字段带回", "按字段名与类型读取填写内容"),
    en=("Lines that were filled in come back under their fields", "Read each keyed line by its field and type"),
    situations=PAPER,
    needs=NEEDS,
)
async def keyed_lines(bench: Bench) -> None:
    """The amount is why it was sent."""
    seen = 0
    for operation in bench.operations:
        codes = [*boxes(bench, operation, ResultKind.GRANTED), *boxes(bench, operation, ResultKind.DONE)]
        plain = [one for one in operation.reply if one.type in {"string", "text", "date", "month", "money", "int"}]
        if not codes or not plain:
            continue
        seen += 1
        keyed = {one.name: plausible(one, bench.runtime.random, {}) for one in plain}
        end = confirmed(bench, operation, codes[0], fields={name: str(value) for name, value in keyed.items()})
        require(isinstance(end, Completed), "{0}: a filled sheet ended as {1}", operation.key, told(end))
        assert isinstance(end, Completed)
        wrong = [name for name, value in keyed.items() if str(end.fields.get(name)) != str(value)]
        require(not wrong, "{0}: {1} came back as something else", operation.key, wrong)
    if not seen:
        raise NotApplicable("no operation asks for anything")


@check(
    "unknown-line-is-refused",
    Area.EXCHANGE,
    zh=("交办单上没有的行被拒绝", "对未知字段抛出 PermanentError,不要丢弃"),
    en=(
        "A line that the sheet does not have is refused",
        "Raise PermanentError for a field you do not know; do not drop it",
    ),
    situations=PAPER,
    needs=NEEDS,
)
async def unknown_line(bench: Bench) -> None:
    """It belongs to another sheet."""
    for operation in bench.operations:
        code = next(iter(operation.result_codes.get(Situation.PAPER, {})))
        end = confirmed(bench, operation, code, fields={"no_such_line": "样例"}, reason="other")
        require(isinstance(end, PermanentError), "{0}: an unknown line ended as {1}", operation.key, told(end))


@check(
    "bad-line-is-refused",
    Area.EXCHANGE,
    zh=("填写的日期、金额或数字无效时被拒绝", "值不合类型时抛出 PermanentError"),
    en=(
        "A date, amount or number that is none is refused",
        "Raise PermanentError where a keyed value does not fit its type",
    ),
    situations=PAPER,
    needs=NEEDS,
)
async def bad_line(bench: Bench) -> None:
    """It is keyed again, now, not searched for next year."""
    typed = [(one, field) for one in bench.operations for field in one.reply if field.type in {"date", "money", "int"}]
    if not typed:
        raise NotApplicable("no operation asks for a date, an amount or a number")
    for operation, field in typed:
        code = next(iter(operation.result_codes.get(Situation.PAPER, {})))
        end = confirmed(bench, operation, code, fields={field.name: "样例"}, reason="other")
        require(isinstance(end, PermanentError), "{0}.{1}: nonsense ended as {2}", operation.key, field.name, told(end))


CHECKS = (every_box_confirms, undeclared_box, returned_needs_reason, keyed_lines, unknown_line, bad_line)
