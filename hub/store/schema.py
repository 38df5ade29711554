"""The schema of the database, brought up to date by the revisions in ``hub/store/migrations``."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.exc import DatabaseError
from sqlmodel import SQLModel

from hub.store import tables
from hub.store.connection import StoreRefused, StoreUnavailable, cannot_open

DATABASE = "onedoor.db"
"""The file in the data folder."""

TABLES = frozenset(
    str(model.__tablename__)
    for model in vars(tables).values()
    if isinstance(model, type) and issubclass(model, SQLModel) and model is not SQLModel
)
"""The names of our tables; another library's models in the same process are none of ours."""


def upgrade(path: Path) -> bool:
    """Create the file (0600) or bring it up to date, in one transaction; returns whether anything was to do. Blocks.

    Raises StoreRefused when a newer release has already changed the schema, StoreUnavailable when the file cannot be written.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise cannot_open(path, error) from error
    with transaction(path) as connection:
        found = MigrationContext.configure(connection).get_current_revision()
        if found == newest():
            return False
        try:
            command.upgrade(_config(connection), "head")
        except CommandError as error:
            raise StoreRefused(
                f"the database {path.name} has the schema {found}, which this release does not know: install the release that made it"
            ) from error
    return True


def pending(path: Path) -> bool:
    """Whether ``upgrade`` has something to do. The file must exist. Blocks."""
    with transaction(path) as connection:
        return MigrationContext.configure(connection).get_current_revision() != newest()


def newest() -> str:
    """The newest revision that this release knows."""
    head = ScriptDirectory.from_config(_config(None)).get_current_head()
    assert head is not None, "the migrations folder is empty"
    return head


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", "hub.store:migrations")
    config.attributes["connection"] = connection
    return config


@contextmanager
def transaction(path: Path) -> Iterator[Connection]:
    engine = create_engine(URL.create("sqlite", database=str(path)))
    event.listen(engine, "connect", _no_implicit_begin)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            yield connection
    except DatabaseError as error:
        raise StoreUnavailable(f"the database {path} cannot be read or changed: {error.orig}") from error
    finally:
        engine.dispose()


def _no_implicit_begin(raw: Any, _: Any) -> None:
    raw.isolation_level = None


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
