"""Where a key stands in a TOML text."""

import pytest

from contracts.toml_lines import line_of, positions

TOML = """# a comment = 1
title = "a [ { = # string"
a.b."c d" = 3

[table]
list = [1, 2,  # two on a line
    3, { x = 1, y = [
        4 ] },
]
text = '''
[not.a.table]
no = 1
'''
when = 2026-01-01 08:00:00

[[rows]]
n = 1
[rows.sub]
deep = true
[[rows]]
n = 2
[[rows.cells]]
v = 1
"""


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (("title",), 2),
        (("a", "b", "c d"), 3),
        (("a",), 3),
        (("table",), 5),
        (("table", "list", 1), 6),
        (("table", "list", 2), 7),
        (("table", "list", 3, "x"), 7),
        (("table", "list", 3, "y", 0), 8),
        (("table", "text"), 10),
        (("table", "when"), 14),
        (("rows", 0, "n"), 17),
        (("rows", 0, "sub", "deep"), 19),
        (("rows", 1, "n"), 21),
        (("rows", 1, "cells", 0, "v"), 23),
        (("rows", 1, "missing"), 20),
        (("no", "such"), 0),
    ],
)
def test_a_place_in_a_toml_text_has_its_line(location: tuple[str | int, ...], line: int) -> None:
    assert line_of(TOML, location) == line


def test_nothing_inside_a_string_is_taken_for_a_key() -> None:
    assert ("table", "no") not in positions(TOML)
