"""After a restore: the database is older than the world. Nothing leaves before a person has looked at what is in doubt.

What was to be sent when the backup was made may have been sent since, and nobody here knows. Each such delivery keeps its id and from
now on says "possible duplicate" when it goes (R5); every lane is held until a person releases it. What was acknowledged after the
backup is not here: senders hand it in again under the same ids.
"""

from collections import Counter
from datetime import datetime

from contracts.records import record
from hub.city import City, moment
from hub.results import operations
from hub.results.casework import Casework
from hub.store.connection import Connection, Row

RESTORED = "restored"
"""Why the lanes are held, as ``onedoor lanes list`` shows it."""

IN_DOUBT = {
    "due": "may have been sent since the backup",
    "claimed": "may have been sent since the backup",
    "held": "may have been sent since the backup",
    "sending": "was being sent: unknown at the next start",
    "unknown": "was unknown already",
    "waiting": "its answer may have come since, and is asked for again where the department can be asked",
}
"""States in which the world may know more than the restored database, and what that means."""


@record
class Doubt:
    """A delivery of which the restored database may know too little."""

    delivery: str
    case_no: str
    system: str
    state: str
    sheet_or_batch: str
    since: datetime


@record
class Restored:
    """What a restore leaves to people. ``newest``: the last thing that the backup knows; what came later is not in it."""

    newest: datetime | None
    lanes_held: int
    doubts: tuple[Doubt, ...]
    backup_made_at: datetime | None = None
    aside: str = ""


def hold_everything(connection: Connection, city: City, by: str, at: int) -> int:
    """A unit of work on a database that was put back: mark what may have left, hold every lane; returns how many lanes."""
    for row in connection.rows(
        "SELECT id, case_no, state FROM delivery WHERE region = :region AND state IN ('due', 'claimed', 'held')"
        " AND NOT possible_duplicate ORDER BY case_no, id",
        {"region": city.region},
    ):
        _mark(connection, city, row, by, at)
    for system in city.systems:
        while operations.hold_lane(connection, city, system, RESTORED, by, at):
            pass
    return len(city.systems)


def _mark(connection: Connection, city: City, row: Row, by: str, at: int) -> None:
    work = Casework.load(connection, city, row["case_no"], at, by)
    work.log("delivery", row["id"], row["state"], row["state"], cause=RESTORED, possible_duplicate=True)
    connection.update("delivery", {"region": city.region, "id": row["id"]}, {"possible_duplicate": True})
    work.save()


def report(connection: Connection, region: str, lanes: int) -> Restored:
    """What a person must look at now; whoever knows where the backup was and where the old data went adds that."""
    rows = connection.rows(
        "SELECT id, case_no, system, state, coalesce(batch, '') AS batch, created_at FROM delivery WHERE region = :region"
        " AND state IN ('due', 'claimed', 'held', 'sending', 'unknown', 'waiting') ORDER BY system, state, id",
        {"region": region},
    )
    newest = connection.row("SELECT max(at) AS at FROM journal WHERE region = :region", {"region": region})
    return Restored(
        newest=moment(newest["at"]) if newest and newest["at"] else None,
        lanes_held=lanes,
        doubts=tuple(
            Doubt(
                delivery=row["id"],
                case_no=row["case_no"],
                system=row["system"],
                state=row["state"],
                sheet_or_batch=row["batch"],
                since=moment(row["created_at"]),
            )
            for row in rows
        ),
    )


def by_system(restored: Restored) -> Counter[tuple[str, str]]:
    """How many deliveries are in doubt, by system and state."""
    return Counter((one.system, one.state) for one in restored.doubts)
