"""People, organisations and numbers that anyone can see are invented, and that still pass every check digit.

Names hold 样例 or a character that few fonts have; identity numbers have a sequence part 99x, credit codes a body YYYY, mobile numbers
begin with 199000000 and bank accounts with 99. No such number was ever issued.
"""

import random
from datetime import date, timedelta
from typing import Final

from stdnum import luhn
from stdnum.cn import ric, uscc

_SURNAMES: Final = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨"
_RARE_NAMES: Final = ("𠮷样例", "王㛃", "赵䶮", "钱㛃䶮", "阿依古丽·样例", "李𠮷", "买买提·样例·䶮", "孙样例")
_BODY_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)
_DIGITS: Final = "0123456789"


def person_name(dice: random.Random) -> str:
    """Mostly 赵样例; one in five has a character outside the common sets, or the dot of a transcribed name."""
    if dice.random() < 0.2:
        return dice.choice(_RARE_NAMES)
    return dice.choice(_SURNAMES) + "样例" + dice.choice(("", "", "一", "二", "三"))


def organisation_name(dice: random.Random) -> str:
    """An organisation."""
    return (
        f"样例{dice.choice(('社区摄影队', '便民服务社', '街坊合唱团', '商贸行', '养老服务中心'))}{dice.randint(1, 99)}"
    )


def resident_id(dice: random.Random, region: str, born: date, sex: str) -> str:
    """18 characters after GB 11643. ``region``: six digits; ``sex``: 1 male (odd sequence), 2 female (even)."""
    body = f"{region}{born:%Y%m%d}99{dice.choice('13579' if sex == '1' else '02468')}"
    return body + ric.calc_check_digit(f"{body}0")


def credit_code(dice: random.Random, region: str) -> str:
    """A unified social credit code (GB 32100) of a social organisation; the organisation code in it (GB 11714) fits too."""
    body = f"YYYY{dice.randint(0, 9999):04d}"
    rest = 11 - sum(int(char, 36) * weight for char, weight in zip(body, _BODY_WEIGHTS, strict=True)) % 11
    number = f"51{region}{body}{ {10: 'X', 11: '0'}.get(rest, str(rest)) }"
    return number + uscc.calc_check_digit(number)


def mobile(dice: random.Random) -> str:
    """A mobile number."""
    return f"199000000{dice.randint(0, 99):02d}"


def account(dice: random.Random, length: int = 16) -> str:
    """A bank account with a right check digit (Luhn)."""
    body = "99" + "".join(dice.choices(_DIGITS, k=length - 3))
    return body + luhn.calc_check_digit(body)


def foreign_document(dice: random.Random) -> str:
    """The number of a document of another kind."""
    return f"YL99{dice.randint(0, 9999):04d}"


def birthday(dice: random.Random, today: date, youngest: int, oldest: int, on: tuple[int, int] | None = None) -> date:
    """A date of birth of someone who is ``youngest`` to ``oldest`` years old today, or on the day (month, day) ``on`` of this year.

    Some days are kept free at both ends where there is room, since the clock of a demo runs on.
    """
    day = date(today.year, *on) if on else today
    last, first = _years_before(day, youngest), _years_before(day, oldest + 1) + timedelta(days=1)
    margin = timedelta(days=min(40, (last - first).days // 4))
    last = min(last - margin, today - timedelta(days=1))
    return first + margin + timedelta(days=dice.randint(0, max(0, (last - first - margin).days)))


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return date(day.year - years, 2, 28)
