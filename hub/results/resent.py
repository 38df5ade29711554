"""A sealed batch that goes again: a new attempt for each member that is still open, a note for those that travel with them (R9, R5)."""

from collections.abc import Sequence

from hub.city import City
from hub.results.beginning import Begun, begin
from hub.results.casework import Casework
from hub.results.errors import LeaseLost
from hub.store.connection import Connection, Row


def begin_again(
    connection: Connection, city: City, claims: Sequence[Row], situation: str, batch: str, at: int
) -> list[Begun]:
    """Commit the attempts of the claims that are still ours; none when all were overtaken, and then nothing may leave.

    The bytes are those of all members. One that has been answered, or waits, may reach the department twice with them: its
    journal says so, although nobody tries it again.
    """
    begun = []
    for claim in claims:
        try:
            begun.append(begin(connection, city, claim, situation, at, batch=batch))
        except LeaseLost:
            continue
    if begun:
        _note_the_others(connection, city, batch, {one.delivery for one in begun}, at)
    return begun


def _note_the_others(connection: Connection, city: City, batch: str, tried: set[str], at: int) -> None:
    members = connection.rows(
        "SELECT DISTINCT d.id, d.case_no, d.state FROM attempt a"
        " JOIN delivery d ON d.region = a.region AND d.id = a.delivery"
        " WHERE a.region = :region AND a.batch = :batch ORDER BY d.id",
        {"region": city.region, "batch": batch},
    )
    for row in members:
        if row["id"] in tried:
            continue
        work = Casework.load(connection, city, row["case_no"], at, "hub")
        codes = {"cause": "batch_resent", "batch": batch, "possible_duplicate": True}
        work.log("delivery", row["id"], row["state"], row["state"], **codes)
        connection.update("delivery", {"region": city.region, "id": row["id"]}, {"possible_duplicate": True})
        work.save()
