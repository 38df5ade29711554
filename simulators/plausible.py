"""What a simulated department decides: the same for the same seed and delivery id, whatever the order of arrival.

So a department that was restarted, or is asked twice, gives the same answer again. All values are synthetic by sight (样例).
"""

import random
from collections.abc import Callable, Mapping

from pydantic import JsonValue

from contracts.catalogue import CodeList, Column, Operation, ReplyField, ResultKind
from contracts.records import record
from contracts.situation import Situation

SHARES: Mapping[ResultKind, float] = {ResultKind.REFUSED: 0.06, ResultKind.RETURNED: 0.04}
"""How often a department says something else than yes."""


@record
class Verdict:
    """A result code with the reply fields of the operation, in the hub's JSON forms (``adapters.values``)."""

    code: str
    kind: ResultKind
    fields: Mapping[str, JsonValue]


def decide(
    operation: Operation,
    situation: Situation,
    delivery_id: str,
    seed: int,
    *,
    shares: Mapping[ResultKind, float] = SHARES,
    code_lists: Mapping[str, CodeList] | None = None,
    code: str | None = None,
) -> Verdict:
    """Mostly granted or done, some refused, some returned, as far as the operation's codes allow; or ``code``, be it none of them."""
    dice = random.Random(f"{seed}/{delivery_id}")  # noqa: S311 - must repeat itself, no secret
    codes = operation.result_codes[situation]
    kind = _drawn(dice.random(), {found.outcome for found in codes.values()}, shares)
    if code is None:
        code = next(code for code, found in codes.items() if found.outcome is kind)
    elif code in codes:
        kind = codes[code].outcome
    if kind is ResultKind.RETURNED:
        return Verdict(code=code, kind=kind, fields={})
    fields = {field.name: plausible(field, dice, code_lists or {}) for field in operation.reply}
    return Verdict(code=code, kind=kind, fields=fields)


def _drawn(dice: float, possible: set[ResultKind], shares: Mapping[ResultKind, float]) -> ResultKind:
    for kind, share in shares.items():
        if kind in possible:
            dice -= share
            if dice < 0:
                return kind
    return ResultKind.GRANTED if ResultKind.GRANTED in possible else ResultKind.DONE


def plausible(field: ReplyField | Column, dice: random.Random, code_lists: Mapping[str, CodeList]) -> JsonValue:
    """A value of the field's type; a code out of its list where the list is known."""
    match field.type:
        case "code":
            return _code(field, dice, code_lists)
        case "codes":
            return [_code(field, dice, code_lists)]
        case "table":
            columns = field.columns if isinstance(field, ReplyField) else ()
            return [{column.name: plausible(column, dice, code_lists) for column in columns}]
        case "object" if isinstance(field, ReplyField):
            return {column.name: plausible(column, dice, code_lists) for column in field.columns}
        case _ if field.type in _PLAIN:
            return _PLAIN[field.type](dice)
        case _:
            text = f"样例{dice.randint(0, 10**8):08d}"
            return text[: field.width_bytes // 2] if field.width_bytes else text


_PLAIN: Mapping[str, Callable[[random.Random], JsonValue]] = {
    "bool": lambda dice: dice.random() < 0.8,
    "int": lambda dice: dice.randint(1, 9),
    "decimal": lambda dice: f"{dice.randint(100, 9999) / 100:.2f}",
    "money": lambda dice: f"{dice.randint(20_000, 500_000) / 100:.2f}",
    "date": lambda dice: f"2026-{dice.randint(1, 12):02d}-{dice.randint(1, 28):02d}",
    "month": lambda dice: f"2026-{dice.randint(1, 12):02d}",
    "object": lambda _dice: {},
}


def _code(field: ReplyField | Column, dice: random.Random, code_lists: Mapping[str, CodeList]) -> str:
    found = code_lists.get(field.code_list or "")
    return dice.choice(found.codes).code if found and found.codes else "1"
