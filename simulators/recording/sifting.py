"""Which values of a message may stay as they are. What is not known to be harmless is replaced, so an unknown field is safe, not leaky.

May stay: booleans, short numbers, codes that the contract file or the site lists, words with which departments answer, delivery ids
(UUIDs) and times of this or the last year. Everything else is somebody's until the opposite is declared: by the name of its field where
contract or site declare it, by its form everywhere else, it becomes a made-up value of that kind.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Final

from stdnum.cn import ric, uscc

from adapters.contract_dialect import PERSONAL, folded, is_result
from contracts.records import record
from simulators.recording.made_up import Kind, MadeUp

HIDDEN: Final = "***"
_SECRET: Final = re.compile(r"passw|token|secret|sign|nonce|apikey|api_key|credential|cookie|session", re.IGNORECASE)
UUID_FORM: Final = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_NAME_OF_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
_TIME: Final = re.compile(
    r"(\d{4})\D?(0[1-9]|1[0-2])\D?([0-2]\d|3[01])(?:[T ]?\d{2}:?\d{2}(?::?\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
)
_HAN_ONLY: Final = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff·]{1,8}")
_ADDRESS: Final = re.compile(r"[省市区县镇村路弄巷号室]")
_SAID: Final = (
    "accept accepted already approved authorization authorized bad bearer busy cancelled client closed code complete completed "
    "conflict created credentials data deleted delivery denied done duplicate empty error exists expired fail failed false fatal "
    "field forbidden format found granted in incomplete info internal invalid is limit locked message missing new no none not null "
    "ok on open overloaded partial pending permanent processing progress queued quota received record refused rejected request "
    "required result retry returned server service settled status submitted succeeded success successful system temporary timeout "
    "true type unauthorized unavailable unknown updated valid value waiting warning withdrawn wrong yes "
    "成功 失败 准予 不予 通过 不通过 退回 受理 已受理 不予受理 处理中 待处理 已办结 同意 不同意 是 否"
)
_WORDS: Final = frozenset(_SAID.split())
"""Words with which departments say how it went. No name is among them."""
_CODE: Final = re.compile(r"[A-Za-z]{0,3}[-_]?\d{1,4}")
_DIGITS_LEFT: Final = 3
"""Numbers of so many digits count something or are codes."""

KINDS_OF_SOURCES: Final[Mapping[str, Kind]] = {
    "applicant.name": Kind.NAME,
    "applicant.id_no": Kind.ID,
    "applicant.mobile": Kind.MOBILE,
    "applicant.address": Kind.ADDRESS,
    "applicant.birth_date": Kind.DATE,
    "agent.name": Kind.NAME,
    "agent.id_no": Kind.ID,
    "agent.mobile": Kind.MOBILE,
}
"""What a field holds that the hub fills from there."""


@record
class Declared:
    """What a contract or a site says: kinds by field name, codes that may stay, names of operations and fields."""

    kinds: Mapping[str, Kind]
    codes: frozenset[str]
    names: frozenset[str]


NOTHING: Final = Declared(kinds={}, codes=frozenset(), names=frozenset())


class Sieve:
    """Decides and replaces, for one recording."""

    def __init__(self, declared: Declared = NOTHING) -> None:
        self.made_up = MadeUp()
        self._declared = declared

    def text(self, name: str, text: str) -> str:
        """The value of a field called ``name``."""
        if _SECRET.search(name):
            return HIDDEN
        stripped = text.strip()
        if not stripped:
            return text
        kind = self._kind(name, stripped)
        return text if kind is None else text.replace(stripped, self.made_up.value(kind, stripped))

    def number(self, name: str, number: float) -> int | float:
        """A JSON number: its digits are replaced where there are more than a few."""
        text = str(number)
        made = self.text(name, text)
        if made == text:
            return number
        digits = re.sub(r"[^0-9.]", "", made) or "9"
        try:
            return int(digits) if isinstance(number, int) else float(digits)
        except ValueError:
            return 999

    def key(self, name: str) -> str:
        """The name of a field; one that looks like a value is one, and replaced."""
        if name in self._declared.names:
            return name
        is_plain = _NAME_OF_FIELD.fullmatch(name) and not re.search(r"\d{7}", name)
        return name if is_plain or _is_title(name) else self.made_up.value(Kind.TEXT, name)

    def _kind(self, name: str, text: str) -> Kind | None:
        """What to put in its place; None: it may stay."""
        said = self._declared.kinds.get(name)
        declared = _by_name(name) if said in (None, Kind.TEXT) else said
        if declared is not None:
            return _fitting(declared, text)
        if said is not None:
            # Declared as somebody's words: replaced, whatever it says.
            return by_form(text)
        if self._may_stay(name, text):
            return None
        return by_form(text)

    def _may_stay(self, name: str, text: str) -> bool:
        if text in self._declared.codes or text in self._declared.names or _says_how_it_went(text):
            return True
        if UUID_FORM.fullmatch(text.removeprefix("urn:uuid:")) or (
            text.isascii() and text.lstrip("-").isdigit() and len(text) <= _DIGITS_LEFT
        ):
            return True
        if is_result(name) and _CODE.fullmatch(text):
            return True
        return _is_recent(text) or bool(re.fullmatch(r"-?\d{1,3}(\.\d{1,2})?", text))


def _says_how_it_went(text: str) -> bool:
    """``NOT_FOUND``, ``in progress``: all of its words are such words."""
    return all(word in _WORDS for word in re.split(r"[ _-]", text.lower()))


def _by_name(name: str) -> Kind | None:
    """By what fields are often called."""
    plain = folded(name)
    source = next((source for source, names in PERSONAL.items() if plain in names), "")
    return KINDS_OF_SOURCES.get(source) or (Kind.NAME if name in {"姓名", "申请人"} else None)


def _fitting(declared: Kind, text: str) -> Kind:
    """The declared kind, unless the value has another form: a foreigner's passport is no identity number."""
    if declared is Kind.ID:
        return Kind.ID if re.fullmatch(r"\d{17}[0-9Xx]|\d{15}", text) else Kind.TEXT
    if declared is Kind.MOBILE:
        return Kind.MOBILE if re.fullmatch(r"1\d{10}", text) else Kind.TEXT
    return declared


def by_form(text: str) -> Kind:
    """What a value looks like."""
    forms: tuple[tuple[bool, Kind], ...] = (
        (bool(re.fullmatch(r"\d{17}[0-9Xx]|\d{15}", text)) and _is_id(text), Kind.ID),
        (bool(re.fullmatch(r"[0-9A-Z]{18}", text)) and uscc.is_valid(text), Kind.CREDIT_CODE),
        (bool(re.fullmatch(r"1[3-9]\d{9}", text)), Kind.MOBILE),
        (bool(re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text)), Kind.EMAIL),
        (bool(_TIME.fullmatch(text)), Kind.DATE),
        (bool(re.fullmatch(r"\d{16,19}", text)), Kind.ACCOUNT),
        (text.isdigit(), Kind.DIGITS),
        (bool(_HAN_ONLY.fullmatch(text)) and len(text) <= 4, Kind.NAME),
        (len(_ADDRESS.findall(text)) >= 2, Kind.ADDRESS),
    )
    return next((kind for is_so, kind in forms if is_so), Kind.TEXT)


def _is_id(text: str) -> bool:
    return len(text) == 15 or ric.is_valid(text.upper()) or _TIME.fullmatch(text[6:14]) is not None


def _is_recent(text: str) -> bool:
    """A time of this year or the last: when something was done, not when somebody was born."""
    found = _TIME.fullmatch(text)
    if found is None:
        return False
    try:
        day = date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return False
    return day.year >= datetime.now(UTC).year - 1


def _is_title(name: str) -> bool:
    """Chinese names of fields that forms use; a person's name as a key is not among them."""
    return name in _TITLES


_TITLE_WORDS: Final = "姓名 性别 证件号码 身份证号 出生日期 联系电话 手机号码 地址 住址 备注 结果 结果代码 说明 原因 金额 类别 状态 流水号"
_TITLES: Final = frozenset(_TITLE_WORDS.split())


def names_of(fields: Iterable[str]) -> frozenset[str]:
    """Names that contract or site declare."""
    return frozenset(name for name in fields if name)
