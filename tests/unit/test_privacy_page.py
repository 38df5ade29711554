"""The page about privacy classifies every column there is, and what it calls sealed is sealed."""

import re
from pathlib import Path

from sqlalchemy import LargeBinary
from sqlmodel import SQLModel

from hub.store import schema

PAGE = Path(__file__).parents[2] / "docs" / "privacy.md"
CLASSES = ("sealed", "keyed", "people at work", "plain")


def classified() -> dict[str, dict[str, list[str]]]:
    """By table and class, the columns."""
    _, _, list_ = PAGE.read_text(encoding="utf-8").partition("| table | sealed |")
    found = {}
    for line in list_.splitlines()[2:]:
        if line.startswith("|"):
            table, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            found[table] = {name: re.findall(r"`(\w+)`", cell) for name, cell in zip(CLASSES, cells, strict=True)}
    return found


def test_every_column_of_every_table_is_classified_exactly_once() -> None:
    there = {name: sorted(column.name for column in SQLModel.metadata.tables[name].columns) for name in schema.TABLES}
    told = {
        table: sorted(name for names in classes.values() for name in names) for table, classes in classified().items()
    }
    assert told == there, "docs/privacy.md: say of each new column in which class it is"


def test_what_is_encrypted_is_called_sealed_and_nothing_else() -> None:
    for table, classes in classified().items():
        columns = SQLModel.metadata.tables[table].columns
        encrypted = {
            one.name for one in columns if one.name.startswith("sealed_") and isinstance(one.type, LargeBinary)
        }
        assert set(classes["sealed"]) == encrypted, table
    others = [
        f"{name}.{column.name}"
        for name in schema.TABLES
        for column in SQLModel.metadata.tables[name].columns
        if isinstance(column.type, LargeBinary) and not column.name.startswith("sealed_")
    ]
    assert others == ["journal_purged.hashes"], "bytes that are not sealed: hashes of entries, nothing else"
