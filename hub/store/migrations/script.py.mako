"""${message}"""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Expand before contracting: the released code still runs on the schema this leaves."""
    ${upgrades if upgrades else "pass"}
