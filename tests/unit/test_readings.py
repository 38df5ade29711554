"""Entries of the journal become readable in few places, each of which leaves an entry of its own (H06)."""

import ast
from pathlib import Path

from hub import readings

HUB = Path(readings.__file__).parent
SHOWING = {
    "hub/views.py",  # a case, for all of the below
    "hub/operating.py",  # a delivery
    "hub/web/views_people.py",
    "hub/web/views_task.py",
    "hub/readings.py",
}
"""Where entries of the journal become something to be read; each way there leads over ``hub.readings``."""


def test_h06_nobody_else_makes_entries_of_the_journal_readable() -> None:
    found = set()
    for path in HUB.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in (
                "journal_lines",
                "newest_entries",
            ):
                found.add(str(path.relative_to(HUB.parent)))
    assert found == SHOWING
