"""How alembic reaches the database: through the connection that ``hub.store.schema`` hands over, in one transaction."""

from alembic import context
from sqlmodel import SQLModel

from hub.store.schema import TABLES

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    include_name=lambda name, kind, _: kind != "table" or name in TABLES,
    # SQLite rolls DDL back like anything else once BEGIN is explicit: a process killed half-way leaves the old schema.
    transactional_ddl=True,
)
context.run_migrations()
