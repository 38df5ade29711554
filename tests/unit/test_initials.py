"""Pinyin initials: every reading counts, and a name without a reading has none."""

import pytest

from hub.initials import MOST, initials


@pytest.mark.parametrize(
    ("name", "among"),
    [
        ("张样例", "ZYL"),
        ("单样例", "SYL"),
        ("曾样例", "ZYL"),
        ("欧阳样例", "OYYL"),
        ("冯样例·安娜", "FYLAN"),
        ("𠮷样例", "JYL"),
    ],
)
def test_a_name_is_found_by_the_initials_of_any_reading(name: str, among: str) -> None:
    assert among in initials(name)


@pytest.mark.parametrize("name", ["", "张", "Zhang San", "张□例", "样例社区事务受理服务中心"])
def test_what_has_no_initials_has_none(name: str) -> None:
    assert initials(name) == frozenset()


def test_many_readings_stay_few() -> None:
    assert len(initials("单解曾查仇区")) == MOST
