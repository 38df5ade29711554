"""What a contract file's outline means as a department's system: which field proves a delivery, which says how it went, and by what codes.

These are guesses by name. A new plugin begins with them and a person decides; a simulator speaks by them at once.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from adapters.contract_outline import OutlineField, OutlineOperation
from contracts.errors import OnedoorError
from contracts.records import record
from contracts.situation import Situation

_REFERENCES = ("lsh", "deliveryid", "requestid", "messageid", "msgid", "serialno", "ywlsh", "transactionid", "bizid")
_RESULTS = (
    *("jgdm", "resultcode", "retcode", "returncode", "rescode", "respcode", "code", "result", "status", "state"),
    *("fhm", "fhdm", "cljg", "bljg", "spjg", "shjg", "cljgdm", "bljgdm", "cwdm", "errcode", "errorcode"),
)
_MEANINGS: Sequence[tuple[str, frozenset[str]]] = (
    (
        "completed.granted",
        frozenset({"0", "00", "000", "0000", "1", "ok", "success", "granted", "approved", "accepted", "s"}),
    ),
    ("completed.refused", frozenset({"refused", "rejected", "denied", "declined", "10", "0001", "n"})),
    ("returned", frozenset({"returned", "incomplete", "20", "0002"})),
    ("temporary", frozenset({"busy", "retry", "unavailable", "99", "999", "9999", "9001", "pending"})),
)

PERSONAL: Mapping[str, frozenset[str]] = {
    "applicant.name": frozenset({"name", "xm", "applicantname", "fullname", "xingming", "sqrxm", "personname"}),
    "applicant.id_no": frozenset(
        {"idno", "sfzh", "zjhm", "idcard", "idnumber", "applicantidno", "identityno", "sfzhm", "sqrzjhm", "gmsfhm"}
    ),
    "applicant.id_type": frozenset({"idtype", "zjlx", "applicantidtype"}),
    "applicant.sex": frozenset({"sex", "gender", "xb"}),
    "applicant.birth_date": frozenset({"birthdate", "birthday", "csrq", "dateofbirth"}),
    "applicant.mobile": frozenset({"mobile", "phone", "sjhm", "lxdh", "telephone", "applicantmobile", "contactphone"}),
    "applicant.address": frozenset({"address", "lxdz", "dz", "applicantaddress", "contactaddress", "zz"}),
    "case_no": frozenset({"caseno", "casenumber", "bjbh"}),
    "item_code": frozenset({"itemcode", "sxbm"}),
    "accepted_at": frozenset({"acceptedat", "slsj"}),
    "accepting_centre": frozenset({"acceptingcentre", "slzx"}),
}
"""Folded names (letters and digits, lower case) by where the hub has the value: most of them are a person's."""


class NameRefused(OnedoorError):
    """No short code is left for a department."""


@record
class DialectCode:
    """A result code. ``decide``: its meaning is a guess; ``doubt``: what is to be looked at."""

    code: str
    outcome: str
    name_zh: str
    name_en: str
    decide: bool = False
    doubt: str = "a guess"


@record
class Dialect:
    """How a department speaks. ``reference``: where the delivery id lies in a request, and where in the answer that repeats it.

    ``result``: None where no answer says how it went; ``result_guessed``: it is the only field that can say so, but its name does not tell.
    ``enquiry``: the operation that takes nothing but the delivery id. ``room``: characters that every place of the delivery id takes;
    None where nothing limits them.
    ``operations``: those that carry reference and result; ``left_out``: the others.
    """

    reference: tuple[str, str] | None
    result: OutlineField | None
    result_field: str
    result_guessed: bool
    codes: Sequence[DialectCode]
    enquiry: str | None
    operations: Sequence[OutlineOperation]
    left_out: Sequence[OutlineOperation]
    room: int | None = None

    @property
    def width(self) -> int:
        """Characters of the delivery id as it travels: without hyphens where only that fits."""
        return 32 if self.room is not None and 32 <= self.room < 36 else 36

    @property
    def reference_width(self) -> int | None:
        """Bytes of the column that carries the delivery id; None where the contract file counts none."""
        asked = (one for operation in self.operations for one in operation.request)
        return next((one.width_bytes for one in asked if self.reference and one.place == self.reference[0]), None)

    @property
    def aside(self) -> frozenset[str]:
        """Fields that are no content: what proves the delivery and what says how it went."""
        return frozenset({self.result.place if self.result else "", *(self.reference or ())})


_NUMBERED = (
    ("0", "completed.granted", "准予", "granted"),
    ("1", "completed.refused", "不予", "refused"),
    ("2", "returned", "退回补材料", "returned for papers"),
    ("8", "temporary", "系统繁忙", "busy"),
    ("9", "permanent", "数据有误", "invalid data"),
)
USUAL_CODES: Mapping[str, Sequence[DialectCode]] = {
    "paper": (
        DialectCode(code="A", outcome="completed.granted", name_zh="同意", name_en="agreed"),
        DialectCode(code="B", outcome="completed.refused", name_zh="不同意", name_en="not agreed"),
        DialectCode(code="C", outcome="returned", name_zh="补正", name_en="papers missing"),
        DialectCode(code="D", outcome="returned", name_zh="退回", name_en="returned"),
        DialectCode(
            code="E", outcome="temporary", name_zh="交办单遗失或污损,补打", name_en="sheet lost or spoilt, print again"
        ),
        DialectCode(code="F", outcome="permanent", name_zh="不属本部门", name_en="not this department"),
    ),
    "file_drop": (
        DialectCode(code="00", outcome="completed.granted", name_zh="核准", name_en="approved"),
        DialectCode(code="10", outcome="completed.refused", name_zh="不予核准", name_en="refused"),
        DialectCode(code="20", outcome="returned", name_zh="退回补材料", name_en="returned for papers"),
        DialectCode(code="01", outcome="permanent", name_zh="格式错误", name_en="format error"),
        DialectCode(code="99", outcome="temporary", name_zh="其他,可重报", name_en="other, may be sent again"),
    ),
    "api": (
        DialectCode(code="GRANTED", outcome="completed.granted", name_zh="准予", name_en="granted"),
        DialectCode(code="REFUSED", outcome="completed.refused", name_zh="不予", name_en="refused"),
        DialectCode(code="RETURNED", outcome="returned", name_zh="退回补材料", name_en="returned for papers"),
        DialectCode(code="BUSY", outcome="temporary", name_zh="系统繁忙", name_en="busy"),
        DialectCode(code="INVALID", outcome="permanent", name_zh="数据有误", name_en="invalid data"),
    ),
}
"""What departments often answer with, by situation."""


def dialect_of(outlined: Sequence[OutlineOperation], situation: Situation) -> Dialect:
    """How the department of these operations speaks in ``situation``."""
    named = [found for one in outlined if (found := result_of(one.reply)) is not None]
    results = named or [found for one in outlined if (found := _only_coded(one.reply)) is not None]
    result = next((one for one in results if one.codes), results[0] if results else None)
    reference = next(filter(None, (reference_of(one.request, one.reply) for one in outlined)), None)
    enquiry = next(
        (one.name for one in outlined if reference and [f.place for f in one.request] == [reference[0]]), None
    )
    usable = [one for one in outlined if one.name != enquiry and _carries(one, reference, result)]
    return Dialect(
        reference=reference,
        result=result,
        result_field=result.place if result else ("JGDM" if situation is Situation.FILE_DROP else "result_code"),
        result_guessed=bool(results) and not named,
        codes=_codes(situation, result),
        enquiry=enquiry,
        operations=usable,
        left_out=[one for one in outlined if one.name != enquiry and one not in usable],
        room=_room(outlined, reference) if reference else None,
    )


def _room(outlined: Sequence[OutlineOperation], reference: tuple[str, str]) -> int | None:
    """The shortest place of the delivery id, where it goes and where it is repeated."""
    asked = [one for operation in outlined for one in operation.request if one.place == reference[0]]
    told = [one for operation in outlined for one in operation.reply if one.place == reference[1]]
    return min((one.max_length for one in (*asked, *told) if one.max_length is not None), default=None)


def _carries(operation: OutlineOperation, reference: tuple[str, str] | None, result: OutlineField | None) -> bool:
    """Whether an operation has the fields that the others prove themselves with."""
    told = {one.place for one in operation.reply}
    has_result = result is None or result.place in told
    return has_result and (
        reference is None or ({one.place for one in operation.request} >= {reference[0]} and reference[1] in told)
    )


def _codes(situation: Situation, result: OutlineField | None) -> Sequence[DialectCode]:
    """The codes that the contract file lists, with a guess at what they mean; without any, those that departments often use."""
    if result is not None and result.codes:
        return _refusable(
            [
                DialectCode(code=code, outcome=meaning_of(code) or "permanent", name_zh=code, name_en=code, decide=True)
                for code in result.codes
            ]
        )
    if result is not None and result.type == "int":
        return tuple(
            DialectCode(code=code, outcome=outcome, name_zh=zh, name_en=en, decide=True)
            for code, outcome, zh, en in _NUMBERED
        )
    room = None if result is None else result.max_length or result.width_bytes
    usual = USUAL_CODES[situation.value]
    fits = room is None or all(len(one.code) <= room for one in usual)
    return usual if fits else USUAL_CODES["file_drop"]


def _refusable(codes: Sequence[DialectCode]) -> Sequence[DialectCode]:
    """A department that decides can say no: where no code is known to, the first one that nobody could guess, and that is said beside it."""
    unknown = next((one for one in codes if one.outcome == "permanent"), None)
    if unknown is None or any(one.outcome == "completed.refused" for one in codes):
        return tuple(codes)
    doubt = "which code is the department's no? None is known to be, so this one stands in for it"
    refusal = replace(unknown, outcome="completed.refused", doubt=doubt)
    return tuple(refusal if one is unknown else one for one in codes)


def short_code(name: str, taken: frozenset[str]) -> str:
    """Two or three capitals of ``name`` that no other department has. Raises NameRefused."""
    letters = name.replace("_", "").upper()
    for code in (
        letters[:2],
        letters[:3],
        letters[0] + letters[-1],
        letters[:4],
        *(f"{letters[0]}{n}" for n in range(1, 100)),
    ):
        if code not in taken:
            return code
    raise NameRefused(f"every short code for {name} is taken: choose another name")


def folded(name: str) -> str:
    """A name as it is compared: letters and digits only, in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def snake(name: str) -> str:
    """A name of ours for one of theirs: ``meterNo`` and ``METER_NO`` are ``meter_no``."""
    parts = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    found = re.sub(r"[^a-z0-9]+", "_", parts.lower()).strip("_")
    return found if re.match(r"[a-z]", found) else f"f_{found}"


def expression(place: str) -> str:
    """A dotted path in JMESPath."""
    names = place.split(".")
    return ".".join(one if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", one) else json.dumps(one) for one in names)


def reference_of(request: Iterable[OutlineField], reply: Iterable[OutlineField]) -> tuple[str, str] | None:
    """Where the delivery id can lie in the request, at its top, and where in the answer that repeats it."""
    asked = {folded(one.name): one.name for one in request if not one.path}
    told = {folded(one.name): one.place for one in reply}
    return next(((asked[name], told[name]) for name in _REFERENCES if name in asked and name in told), None)


def is_reference(name: str) -> bool:
    """Whether a field of that name may carry a delivery id."""
    return folded(name) in _REFERENCES


def is_result(name: str) -> bool:
    """Whether a field of that name may say how it went."""
    return folded(name) in _RESULTS


def result_of(reply: Sequence[OutlineField]) -> OutlineField | None:
    """The field of an answer that says how it went."""
    by_name = {folded(one.name): one for one in reply}
    return next((by_name[name] for name in _RESULTS if name in by_name), None)


def _only_coded(reply: Sequence[OutlineField]) -> OutlineField | None:
    """The one field of an answer whose values the contract file lists."""
    coded = [one for one in reply if one.codes]
    return coded[0] if len(coded) == 1 else None


def meaning_of(code: str) -> str | None:
    """What a code probably means; None: a person must say."""
    return next((meaning for meaning, codes in _MEANINGS if code.lower() in codes), None)
