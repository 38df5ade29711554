"""Made-up values for real ones: of the same shape, visibly invented, and the same one each time within a recording.

A replacement is drawn, never computed from what it replaces: nobody who holds a recording can try out names until one fits. What was
replaced by what is known in memory only, and ends with the recording.
"""

import random
import re
import secrets
from collections.abc import Callable
from datetime import date, timedelta
from enum import StrEnum
from itertools import cycle, islice
from typing import Final

from simulators.identities import account, credit_code, mobile, resident_id

_REGION: Final = "310101"
"""Old enough for everybody who lives: younger districts have no numbers of people born before them."""
_GIVEN: Final = "一二三四五六七八九十百千万甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥"
_FILLING: Final = "样例文字"
_PLACES: Final = frozenset("省市区县镇乡村街道路弄巷号楼室栋单元层幢")
_HAN: Final = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_TRIES: Final = 200


class Kind(StrEnum):
    """What a value is."""

    NAME = "name"
    ID = "id"
    CREDIT_CODE = "credit_code"
    MOBILE = "mobile"
    ACCOUNT = "account"
    ADDRESS = "address"
    EMAIL = "email"
    DATE = "date"
    DIGITS = "digits"
    TEXT = "text"


class MadeUp:
    """The replacements of one recording."""

    def __init__(self) -> None:
        self._dice: random.Random = secrets.SystemRandom()
        self._known: dict[tuple[Kind, str], str] = {}
        self._used: set[str] = set()
        self._days: dict[date, date] = {}
        self._makers: dict[Kind, Callable[[str], str]] = {
            Kind.NAME: self._name,
            Kind.ID: self._id,
            Kind.CREDIT_CODE: lambda text: credit_code(self._dice, _REGION),
            Kind.MOBILE: lambda text: mobile(self._dice),
            Kind.ACCOUNT: lambda text: account(self._dice, len(text)),
            Kind.ADDRESS: self._address,
            Kind.EMAIL: lambda text: f"sample-{self._dice.randint(0, 99999)}@example.invalid",
            Kind.DATE: self._date,
            Kind.DIGITS: self._shape,
            Kind.TEXT: self._shape,
        }

    def value(self, kind: Kind, text: str) -> str:
        """What stands for ``text``: another text for another one, as long as there is room in the range of invented ones."""
        key = kind, text
        if key not in self._known:
            made = self._makers[kind](text)
            for _ in range(_TRIES):
                if made not in self._used and made != text:
                    break
                made = self._makers[kind](text)
            self._used.add(made)
            self._known[key] = made
        return self._known[key]

    def _name(self, text: str) -> str:
        if not _HAN.search(text):
            return self._shape(text)
        if len(text) <= 2:
            return ("样" + self._dice.choice(_GIVEN))[: len(text)]
        return "样例" + "".join(self._dice.choice(_GIVEN) if _HAN.match(sign) else sign for sign in text[2:])

    def _id(self, text: str) -> str:
        """18 digits, or the 15 of old: sex and age as before to within some years, the sequence of invented people."""
        is_old = len(text) == 15
        born = _day("19" + text[6:12] if is_old else text[6:14]) or date(1980, 1, 1)
        sex = text[-1] if is_old else text[-2]
        made = resident_id(self._dice, _REGION, self.day(born), "1" if sex.isdigit() and int(sex) % 2 else "2")
        return made[:6] + made[8:17] if is_old else made

    def day(self, real: date) -> date:
        """Another day for a day of birth, the same one whether it stands alone or in a number."""
        if real not in self._days:
            shift = self._dice.choice([days for days in range(-900, 901) if abs(days) > 30])
            self._days[real] = (
                min(real + timedelta(days=shift), date(2020, 1, 1)) if real.year > 1900 else date(1950, 1, 1)
            )
        return self._days[real]

    def _date(self, text: str) -> str:
        """In the form that it had: digits of year, month and day in their places."""
        found = re.match(r"(\d{4})(\D?)(\d{2})(\D?)(\d{2})(.*)", text, re.DOTALL)
        real = _day(found[1] + found[3] + found[5]) if found else None
        if found is None or real is None:
            return self._shape(text)
        made = self.day(real)
        return f"{made:%Y}{found[2]}{made:%m}{found[4]}{made:%d}{self._shape(found[6])}"

    def _address(self, text: str) -> str:
        """Words for places stay (路, 号), the rest does not."""
        filling = cycle("样例")
        return "".join(
            sign if sign in _PLACES else next(filling) if _HAN.match(sign) else self._sign(sign) for sign in text
        )

    def _shape(self, text: str) -> str:
        """Han signs, letters and digits replaced one by one; what is left is punctuation. Digits that stand at the front do not begin with 0."""
        filling = cycle(_FILLING)
        made = [next(filling) if _HAN.match(sign) else self._sign(sign) for sign in text]
        if len(text) > 1 and text[0].isdigit() and text[0] != "0":
            made[0] = "9"
        return "".join(made)

    def _sign(self, sign: str) -> str:
        if sign.isdigit():
            return self._dice.choice("0123456789")
        if sign.isalpha():
            return self._dice.choice("XYZ" if sign.isupper() else "xyz")
        return sign


def filled(text: str, length: int) -> str:
    """So many signs of filling, for what is only counted."""
    return "".join(islice(cycle(text), length))


def _day(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None
