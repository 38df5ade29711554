"""The outbox: what is due, claimed in bounded batches with a lease and a fencing token; and recovery after a crash.

The claim query needs no planner statistics: a partial index on what is due, in order, with a limit.
"""

from contracts.records import record
from hub import batches, states
from hub.city import City
from hub.journal import Chain
from hub.results.beginning import Begun
from hub.results.channels import follow_configuration
from hub.results.operations import lane_name, too_late
from hub.results.outcomes import LostProcess, Planner, attempt_ended
from hub.results.steps import NO_SYSTEM, resume
from hub.states import BatchState, DeliveryState, Machine
from hub.store.connection import Connection, Row

_COLUMNS = "d.*, c.sealed_key, c.item, c.item_version, c.receiving_centre, c.accepting_centre, c.trace_id, p.sealed_body AS sealed_payload"
_TABLES = (
    "delivery d JOIN case_file c ON c.region = d.region AND c.case_no = d.case_no"
    " LEFT JOIN payload p ON p.region = d.region AND p.delivery = d.id AND p.situation = :situation"
)


@record
class Claims:
    """Rows that are ours until the lease ends. ``next_at``: when something else of this system comes due (ms), if known."""

    rows: tuple[Row, ...]
    next_at: int | None


_FROZEN = "EXISTS (SELECT 1 FROM batch b WHERE b.region = d.region AND b.id = d.batch AND b.state = 'sealed')"
"""Whether a delivery goes again only with its whole batch. Once a batch has arrived its members part: a file sent again for the
sake of one would bring the others to the department a second time, and no attempt would say so."""


_IN_TURN = (
    "(d.supersedes IS NULL OR NOT EXISTS (SELECT 1 FROM delivery o WHERE o.region = d.region AND o.id = d.supersedes"
    " AND o.state IN ('due', 'claimed', 'sending')))"
)
"""Whether the round before has come to rest: a withdrawal never overtakes what it withdraws, nor a correction what it corrects."""


def claim(
    connection: Connection,
    city: City,
    system: str,
    limit: int,
    by: str,
    at: int,
    lease_until: int,
    *,
    batched: bool = False,
    via: str = "",
) -> Claims:
    """Claim up to ``limit`` due deliveries, oldest first. With ``batched`` those frozen into a batch that has yet to arrive stay out.

    ``via``: the situation of the fallback channel that they go by; empty: the sending channel.
    """
    key = {"region": city.region, "system": system, "via": via, "situation": via or city.system(system).sending.value}
    outside = f" AND NOT {_FROZEN}" if batched else ""
    rows = connection.rows(
        f"SELECT {_COLUMNS} FROM {_TABLES}"  # noqa: S608 - constant parts
        " WHERE d.region = :region AND d.system = :system AND d.state = 'due' AND d.next_at <= :at AND d.via = :via"
        f" AND {_IN_TURN}{outside}"
        " ORDER BY d.next_at, d.id LIMIT :limit",
        {**key, "at": at, "limit": limit},
    )
    ours = _in_time(connection, city, rows, at)
    _mark_claimed(connection, city, ours, by, at, lease_until)
    later = None
    if len(rows) < limit:
        found = connection.row(
            "SELECT min(next_at) AS next_at FROM delivery WHERE region = :region AND system = :system AND state = 'due'"
            " AND via = :via AND next_at > :at",
            {**key, "at": at},
        )
        later = found["next_at"] if found else None
    return Claims(rows=tuple(ours), next_at=later)


def claim_batch(
    connection: Connection, city: City, system: str, by: str, at: int, lease_until: int, via: str = ""
) -> tuple[Row, ...]:
    """The due members of the oldest sealed batch that must go again; none when there is no such batch."""
    first = connection.row(_FIRST_FROZEN, {"region": city.region, "system": system, "at": at, "via": via})
    if first is None:
        return ()
    rows = connection.rows(
        f"SELECT {_COLUMNS} FROM {_TABLES}"  # noqa: S608 - constant parts
        " WHERE d.region = :region AND d.batch = :batch AND d.state = 'due' ORDER BY d.id",
        {"region": city.region, "batch": first["batch"], "situation": via or city.system(system).sending.value},
    )
    ours = _in_time(connection, city, rows, at)
    _mark_claimed(connection, city, ours, by, at, lease_until)
    return tuple(ours)


_FIRST_FROZEN = (
    # From the few sealed batches to their members, and only then by what is wanted of them: what is due outside of them may be very much.
    "WITH frozen AS MATERIALIZED (SELECT d.batch, d.system, d.state, d.via, d.next_at, d.id FROM batch b"
    " CROSS JOIN delivery d WHERE b.region = :region AND b.state = 'sealed' AND d.region = b.region AND d.batch = b.id)"
    " SELECT batch FROM frozen WHERE system = :system AND state = 'due' AND next_at <= :at AND via = :via"
    " ORDER BY next_at, id LIMIT 1"
)


def _in_time(connection: Connection, city: City, rows: list[Row], at: int) -> list[Row]:
    """Rows that may still be sent; the others are held for a person."""
    ours = []
    for row in rows:
        if city.facts(row["system"]).over(row["via"]).hand_over_at(row) <= at:
            too_late(connection, city, row, at)
        else:
            ours.append(row)
    return ours


def _mark_claimed(connection: Connection, city: City, rows: list[Row], by: str, at: int, lease_until: int) -> None:
    for row in rows:
        states.check(Machine.DELIVERY, row["state"], DeliveryState.CLAIMED)
        row.update(state=DeliveryState.CLAIMED.value, fence=row["fence"] + 1, claimed_by=by, lease_until=lease_until)
        chain = Chain(city.journal, row["case_no"], at)
        chain.add("delivery", row["id"], "due", "claimed", {"fence": row["fence"]})
        chain.write(connection, by)
    connection.run_many(
        "UPDATE delivery SET state = 'claimed', fence = :fence, claimed_by = :claimed_by, lease_until = :lease_until"
        " WHERE region = :region AND id = :id",
        rows,
    )


def give_back(connection: Connection, city: City, claims: list[Row], at: int) -> int:
    """Return claims that were never tried (shutting down, breaker opened). Returns how many were still ours."""
    given = 0
    for claimed in claims:
        row = connection.row(
            "SELECT * FROM delivery WHERE region = :region AND id = :id", {"region": city.region, "id": claimed["id"]}
        )
        if row is None or row["state"] != DeliveryState.CLAIMED or row["fence"] != claimed["fence"]:
            continue
        _release(connection, city, row, at)
        given += 1
    return given


def lost_leases(connection: Connection, city: City, at: int) -> list[Row]:
    """Claims whose lease is over: whoever made them slept, or waited too long for its turn."""
    return connection.rows(
        "SELECT * FROM delivery WHERE region = :region AND state = 'claimed' AND lease_until <= :at",
        {"region": city.region, "at": at},
    )


def _release(connection: Connection, city: City, row: Row, at: int) -> None:
    states.check(Machine.DELIVERY, row["state"], DeliveryState.DUE)
    chain = Chain(city.journal, row["case_no"], at)
    chain.add("delivery", row["id"], "claimed", "due", {"cause": "lease_lost"})
    chain.write(connection, "hub")
    connection.update(
        "delivery",
        {"region": city.region, "id": row["id"]},
        {"state": "due", "cause": "lease_lost", "claimed_by": None, "lease_until": None, "fence": row["fence"] + 1},
    )


def recover(connection: Connection, city: City, planner: Planner, at: int) -> dict[str, int]:
    """After a crash (this process holds the lock, so every lease is dead): claims are due again, tries without outcome unknown."""
    counts = {"claimed": 0, "sending": 0, "batches": 0}
    key = {"region": city.region}
    for row in connection.rows("SELECT * FROM delivery WHERE region = :region AND state = 'claimed'", key):
        _release(connection, city, row, at)
        counts["claimed"] += 1
    for row in connection.rows(
        "SELECT a.delivery, a.number, a.fence, d.state AS delivery_state FROM attempt a"
        " JOIN delivery d ON d.region = a.region AND d.id = a.delivery WHERE a.region = :region AND a.state = 'started'",
        key,
    ):
        begun = Begun(delivery=row["delivery"], number=row["number"], fence=row["fence"])
        attempt_ended(connection, city, begun, LostProcess(), planner, at)
        counts["sending"] += row["delivery_state"] == DeliveryState.SENDING
    for row in connection.rows(_FLAGGED, {**key, "flag": f"%{NO_SYSTEM}%"}):
        if row["status"] in _RUNNING:
            resume(connection, city, row["case_no"], at)
    for name, facts in city.systems.items():
        if facts.successor is not None:
            _hand_over(connection, city, name, at)
    follow_configuration(connection, city, at)
    empty = connection.rows("SELECT * FROM batch WHERE region = :region AND state = 'sealed' AND members = 0", key)
    counts["batches"] = len(empty)
    return counts


# The status is looked at afterwards: asked for in the query, it would be found by, and most cases are in one of these.
_FLAGGED = "SELECT case_no, status FROM case_file WHERE region = :region AND flags != '' AND flags LIKE :flag"
_RUNNING = frozenset({"20", "30", "31", "32", "40"})


def without_a_lane(connection: Connection, city: City) -> list[str]:
    """Systems that are not there (a broken plugin, a department that was removed) and have something due all the same."""
    rows = connection.rows(_SYSTEMS_WITH_DUE, {"region": city.region})
    return [row["system"] for row in rows if row["system"] not in city.systems]


_NEXT_SYSTEM = "SELECT min(system) FROM delivery WHERE region = :region AND state = 'due'"
_SYSTEMS_WITH_DUE = (
    # From one system to the next one in the index: DISTINCT would read every delivery that is due.
    f"WITH RECURSIVE found(system) AS ({_NEXT_SYSTEM} UNION ALL"  # noqa: S608 - constant parts
    f" SELECT ({_NEXT_SYSTEM} AND system > found.system) FROM found WHERE found.system IS NOT NULL)"
    " SELECT system FROM found WHERE system IS NOT NULL"
)


def _hand_over(connection: Connection, city: City, retired: str, at: int) -> None:
    """What waits for a retired system goes to its successor, under the same delivery ids (R2, R3)."""
    successor = city.system(retired).name
    for row in connection.rows(
        "SELECT * FROM delivery WHERE region = :region AND system = :system AND state IN ('due', 'held')",
        {"region": city.region, "system": retired},
    ):
        chain = Chain(city.journal, row["case_no"], at)
        chain.add("successor", row["id"], retired, successor, {})
        chain.write(connection, "hub")
        connection.update("delivery", {"region": city.region, "id": row["id"]}, {"system": successor})


def unsent_empty_batches(connection: Connection, city: City, system: str, situation: str) -> list[Row]:
    """Empty files that the partner still waits for."""
    return connection.rows(
        "SELECT * FROM batch WHERE region = :region AND system = :system AND situation = :situation AND state = :state"
        " AND members = 0 ORDER BY sequence",
        {"region": city.region, "system": system, "situation": situation, "state": BatchState.SEALED.value},
    )


def batch_sent(connection: Connection, city: City, batch: str, at: int) -> None:
    """Note that the bytes of a batch have arrived; an empty one waits for nothing more than the acknowledgement."""
    row = batches.find(connection, city, batch)
    if row is not None and row["state"] == BatchState.SEALED:
        batches.move(connection, city, row, BatchState.SENT, at)


def batch_rejected(connection: Connection, city: City, batch: str, at: int) -> None:
    """Note that the partner refused the whole file."""
    row = batches.find(connection, city, batch)
    if row is None:
        return
    if row["state"] == BatchState.SEALED:
        batches.move(connection, city, row, BatchState.SENT, at)
    batches.move(connection, city, row, BatchState.REJECTED, at)


@record
class BatchDue:
    """What a lane needs to know to seal a batch: whether a full one waits, since when (ms) the oldest, the last cut-off that was served."""

    full: bool
    oldest: int | None
    last_cut_off: int | None


def batch_due(connection: Connection, city: City, system: str, size: int, at: int, via: str = "") -> BatchDue:
    """What waits outside a batch. Reads the first ``size`` of them, never all that wait."""
    key = {"region": city.region, "system": system, "at": at, "via": via, "lane": lane_name(system, via)}
    oldest = connection.row(_OUTSIDE, {**key, "before": 0})
    last = connection.row(_OUTSIDE, {**key, "before": size - 1}) if oldest else None
    lane = connection.row("SELECT last_cut_off FROM lane WHERE region = :region AND system = :lane", key)
    return BatchDue(
        full=last is not None,
        oldest=oldest["next_at"] if oldest else None,
        last_cut_off=lane["last_cut_off"] if lane else None,
    )


_OUTSIDE = (
    "SELECT d.next_at FROM delivery d WHERE d.region = :region AND d.system = :system AND d.state = 'due'"  # noqa: S608 - constant parts
    f" AND d.next_at <= :at AND d.via = :via AND NOT {_FROZEN} ORDER BY d.next_at, d.id LIMIT 1 OFFSET :before"
)
"""The delivery outside a batch that has ``before`` others before it."""


def set_last_cut_off(connection: Connection, city: City, lane: str, at: int) -> None:
    """Remember that a cut-off was served, so that a restart neither repeats nor forgets its file."""
    connection.run(
        "INSERT INTO lane (region, system, last_cut_off) VALUES (:region, :system, :at)"
        " ON CONFLICT (region, system) DO UPDATE SET last_cut_off = :at",
        {"region": city.region, "system": lane, "at": at},
    )


def held_lanes(connection: Connection, city: City) -> dict[str, str]:
    """Lanes on hold and why, by ``lane_name``."""
    rows = connection.rows(
        "SELECT system, held FROM lane WHERE region = :region AND held IS NOT NULL", {"region": city.region}
    )
    return {row["system"]: row["held"] for row in rows}


def due_for_time(connection: Connection, city: City, at: int, limit: int, archive_before: int) -> list[str]:
    """Cases for which the clock alone may bring something about."""
    rows = connection.rows(
        "SELECT case_no FROM case_file WHERE region = :region AND status IN ('10', '11') AND changed_at < :day_ago"
        " UNION SELECT case_no FROM case_file WHERE region = :region AND status IN ('12', '13', '52', '53', '70')"
        " AND changed_at < :archive_before"
        " UNION SELECT case_no FROM case_file WHERE region = :region AND due_open"
        " UNION SELECT case_no FROM case_step WHERE region = :region AND silent_at IS NOT NULL AND silent_at < :at"
        " LIMIT :limit",
        {"region": city.region, "at": at, "day_ago": at - 86_400_000, "archive_before": archive_before, "limit": limit},
    )
    return [row["case_no"] for row in rows]
