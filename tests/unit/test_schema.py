"""The migrations make exactly the tables that the code declares."""

import re
import sqlite3
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlmodel import SQLModel, create_engine

from hub.store import schema
from hub.store.connection import StoreRefused, StoreUnavailable


def _objects(path: Path) -> dict[str, object]:
    """Every index with its statement, spaces and quotes aside; every table with its columns and constraints, in any order,
    since a column that a later revision adds stands last."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT name, type, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'"
        )
        found: dict[str, object] = {name: _parts(sql) if kind == "table" else _plain(sql) for name, kind, sql in rows}
    connection.close()
    return found


def _plain(sql: str) -> str:
    return re.sub(r'[\s"]+', " ", sql)


def _parts(sql: str) -> list[str]:
    inside = _plain(sql).partition("(")[2].rpartition(")")[0]
    return sorted(part.strip() for part in re.split(r",(?![^(]*\))", inside))


def test_the_migrated_schema_equals_the_declared_tables_to_the_last_index(tmp_path: Path) -> None:
    assert schema.upgrade(tmp_path / "migrated.db")
    engine = create_engine(f"sqlite:///{tmp_path / 'declared.db'}")
    SQLModel.metadata.create_all(engine, tables=[SQLModel.metadata.tables[name] for name in schema.TABLES])
    engine.dispose()
    assert _objects(tmp_path / "migrated.db") == _objects(tmp_path / "declared.db")


def test_alembic_sees_no_difference_either(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    schema.upgrade(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: kind != "table" or name in schema.TABLES}
        )
        assert compare_metadata(context, SQLModel.metadata) == []
    engine.dispose()


def test_a_second_upgrade_has_nothing_to_do(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    schema.upgrade(path)
    assert not schema.upgrade(path)
    assert not schema.pending(path)


def test_an_empty_file_is_pending(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    path.touch()
    assert schema.pending(path)


def test_the_database_file_is_for_its_owner_only(tmp_path: Path) -> None:
    schema.upgrade(tmp_path / "hub.db")
    assert stat.S_IMODE((tmp_path / "hub.db").stat().st_mode) == 0o600


def test_a_migration_that_fails_half_way_leaves_the_schema_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    schema.upgrade(path)
    before = _objects(path)

    def half(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE half (id TEXT)")
        connection.exec_driver_sql("DROP TABLE payload")
        raise RuntimeError("as if the process died here")

    with pytest.raises(RuntimeError), schema.transaction(path) as connection:
        half(connection)
    assert _objects(path) == before


def test_a_schema_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    schema.upgrade(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreRefused, match="install the release that made it"):
        schema.upgrade(path)


def test_a_file_that_is_no_database_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    path.write_text("not a database, but long enough to be read as one: " * 40)
    with pytest.raises(StoreUnavailable, match="cannot be read or changed"):
        schema.upgrade(path)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        schema.upgrade(tmp_path / "nowhere" / "hub.db")
