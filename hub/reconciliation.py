"""Daily reconciliation 对账 of systems that exchange files: sent = accepted + rejected + pending, by number and by case.

Sent are the records that first travelled in a file sealed on that day. What is accepted, rejected and pending is how they stand
when the question is asked. Everything that does not fit is a difference with a key of its own; a day cannot be closed while one
of them has no explanation.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta

import orjson

from contracts.records import adapter, record
from contracts.situation import Batching, ExpectedFile, FileRules
from hub import clock, files
from hub.city import City, milliseconds, moment
from hub.clock import Calendar
from hub.journal import Chain
from hub.results.errors import NotAllowed
from hub.store import file_book
from hub.store.connection import Connection, Row

LOOK_BACK_DAYS = 31
"""How long a missing file is asked about."""

_ACCEPTED = frozenset({"done", "returned"})
_REJECTED = frozenset({"dead"})


@record
class FileSystem:
    """A system that exchanges files: when its batches are sealed, and what is expected of it."""

    name: str
    batching: Batching | None
    rules: FileRules


@record
class Difference:
    """Something that does not fit. ``key`` names it for good; ``reason`` is the explanation, empty while there is none."""

    key: str
    kind: str
    subject: str
    number: int = 1
    reason: str = ""


@record
class Entry:
    """One record that went out and how it stands: ``accepted``, ``rejected`` or ``pending``; ``withdrawn`` ones are not counted."""

    file: str
    sequence: int
    case_no: str
    delivery: str
    stands: str
    state: str
    code: str = ""


@record
class SystemDay:
    """A day of a system. ``files_out`` and ``files_in`` count files, empty ones too."""

    system: str
    day: str
    files_out: int
    files_in: int
    sent: int
    accepted: int
    rejected: int
    pending: int
    withdrawn: int
    differences: tuple[Difference, ...]
    entries: tuple[Entry, ...]
    closed_by: str = ""
    closed_at: datetime | None = None

    @property
    def unexplained(self) -> tuple[Difference, ...]:
        """What keeps the day open."""
        return tuple(one for one in self.differences if not one.reason)


def system_day(connection: Connection, city: City, system: FileSystem, day: date, now: int) -> SystemDay:
    """How a day stands at ``now`` (ms)."""
    start, end = _bounds(city.calendar, day)
    out = file_book.went_out(connection, city.region, system.name, start, end)
    came = file_book.came_in(connection, city.region, system.name, day.isoformat())
    entries = [entry for batch in out for entry in _entries(connection, city, batch)]
    counted = Counter(entry.stands for entry in entries)
    found = [
        *_of_batches(out, system.rules, now),
        *_of_files(came),
        *_of_replies(file_book.odd_replies(connection, city.region, system.name, start, end)),
        *(one for one, of in gaps(connection, city, system.name) if of == day.isoformat()),
        *(one for one, of in missing(connection, city, system, now) if of == day),
    ]
    told = file_book.explanations(connection, city.region, system.name, day.isoformat())
    closed = file_book.closing(connection, city.region, system.name, day.isoformat())
    return SystemDay(
        system=system.name,
        day=day.isoformat(),
        files_out=len(out),
        files_in=len(came),
        sent=len(entries) - counted["withdrawn"],
        accepted=counted["accepted"],
        rejected=counted["rejected"],
        pending=counted["pending"],
        withdrawn=counted["withdrawn"],
        differences=tuple(_explained(one, told) for one in found),
        entries=tuple(entries),
        closed_by=closed["by"] if closed else "",
        closed_at=moment(closed["at"]) if closed else None,
    )


def _entries(connection: Connection, city: City, batch: Row) -> Iterator[Entry]:
    for row in file_book.members(connection, city.region, batch["id"]):
        state = row["state"]
        stands = "accepted" if state in _ACCEPTED else "rejected" if state in _REJECTED else "pending"
        yield Entry(
            file=batch["name"],
            sequence=batch["sequence"],
            case_no=row["case_no"],
            delivery=row["id"],
            stands="withdrawn" if state == "cancelled" else stands,
            state=state,
            code=row["error_code"] or "",
        )


def _of_batches(out: Sequence[Row], rules: FileRules, now: int) -> Iterator[Difference]:
    for batch in out:
        subject = batch["name"] or str(batch["sequence"])
        if batch["state"] == "sealed":
            yield Difference(
                key=f"not_sent:{batch['sequence']}", kind="not_sent", subject=subject, number=batch["members"]
            )
        if batch["tried"] != batch["members"]:
            lacking = batch["members"] - batch["tried"]
            yield Difference(key=f"members:{batch['sequence']}", kind="members", subject=subject, number=lacking)
        if batch["receipt"] not in (None, "accepted"):
            yield Difference(
                key=f"refused:{batch['sequence']}", kind="refused", subject=subject, number=batch["members"]
            )
        if batch["receipt_rows"] not in (None, batch["members"]):
            apart = batch["members"] - batch["receipt_rows"]
            yield Difference(
                key=f"receipt_rows:{batch['sequence']}", kind="receipt_rows", subject=subject, number=apart
            )
        if _no_receipt(batch, rules, now):
            yield Difference(key=f"no_receipt:{batch['sequence']}", kind="no_receipt", subject=subject)


def _no_receipt(batch: Row, rules: FileRules, now: int) -> bool:
    within = rules.receipt_within_minutes
    if within is None or batch["receipt"] is not None or batch["state"] == "sealed":
        return False
    return bool(now > batch["sealed_at"] + within * 60_000)


def _of_files(came: Sequence[Row]) -> Iterator[Difference]:
    for row in came:
        if row["state"] == "quarantined":
            key = f"quarantined:{row['name']}:{row['digest'][:16]}"
            yield Difference(key=key, kind="quarantined", subject=f"{row['name']} ({row['reason']})")
        elif row["unread"] and row["state"] == "taken":
            yield Difference(key=f"unread:{row['name']}", kind="unread", subject=row["name"], number=row["unread"])


def _of_replies(rows: Sequence[Row]) -> Iterator[Difference]:
    for row in rows:
        yield Difference(
            key=f"{row['verdict']}:{row['delivery']}:{row['digest'][:12]}", kind=row["verdict"], subject=row["delivery"]
        )


def alarms(connection: Connection, city: City, system: FileSystem, now: int) -> tuple[Difference, ...]:
    """What somebody should look at today: numbers left out, files and receipts that are overdue; without those explained."""
    found = [
        *((one, day) for one, day in gaps(connection, city, system.name)),
        *((one, day.isoformat()) for one, day in missing(connection, city, system, now)),
    ]
    if system.rules.receipt_within_minutes is not None:
        since = now - LOOK_BACK_DAYS * 86_400_000
        for batch in file_book.went_out(connection, city.region, system.name, since, now + 1):
            late = (one for one in _of_batches([batch], system.rules, now) if one.kind == "no_receipt")
            found.extend((one, files.local_day(city, batch["sealed_at"])) for one in late)
    told: dict[str, Mapping[str, str]] = {}
    for _, day in found:
        if day not in told:
            told[day] = file_book.explanations(connection, city.region, system.name, day)
    return tuple(one for one, day in found if one.key not in told[day])


def gaps(connection: Connection, city: City, system: str) -> list[tuple[Difference, str]]:
    """Numbers that are missing among the files that came in, each with the day on which the gap was seen."""
    found = files.gaps(file_book.numbered(connection, city.region, system))
    return [
        (Difference(key=f"gap:{name}", kind="gap", subject=f"{name} before {row['name']}"), row["day"])
        for name, row in found.items()
    ]


def missing(connection: Connection, city: City, system: FileSystem, now: int) -> list[tuple[Difference, date]]:
    """Expected files that have not come although the alarm is due, each with the day on which it was expected.

    A file answers the oldest cut-off that still waits for one, so that a late one is not counted for two.
    """
    since = now - LOOK_BACK_DAYS * 86_400_000
    sealed = [row["sealed_at"] for row in file_book.went_out(connection, city.region, system.name, since, now + 1)]
    arrived = file_book.arrivals(connection, city.region, system.name, since)
    found: list[tuple[Difference, date]] = []
    for rule in system.rules.expected:
        waiting = sorted(due for due in _expectations(sealed, system.batching, rule, city.calendar))
        left = list(arrived)
        for cut_off, by in waiting:
            answer = next((at for at in left if at > cut_off), None)
            if answer is not None:
                left.remove(answer)
            elif now > milliseconds(by) + rule.alarm_after_minutes * 60_000:
                day = city.calendar.local_day(by)
                key = f"missing:{city.calendar.local_day(moment(cut_off)).isoformat()}:{rule.after_cut_off}"
                subject = f"after {rule.after_cut_off}, by {by.astimezone(city.calendar.zone):%Y-%m-%d %H:%M}"
                found.append((Difference(key=key, kind="missing", subject=subject), day))
    return found


def _expectations(
    sealed: Sequence[int], batching: Batching | None, rule: ExpectedFile, table: Calendar
) -> set[tuple[int, datetime]]:
    """The cut-offs (ms) of the rule at which, or after which, something went out, and when a file is due for each."""
    times = sorted(batching.cut_offs) if batching and batching.cut_offs else [rule.after_cut_off]
    found = set()
    for at in sealed:
        local = moment(at).astimezone(table.zone)
        served = [time for time in times if time <= f"{local:%H:%M}"]
        day = local.date() if served else local.date() - timedelta(days=1)
        if (served or times)[-1] != rule.after_cut_off:
            continue
        try:
            due = clock.moment_of(_days_later(day, rule, table), rule.by, table)
        except clock.MissingYear:
            continue  # nobody guesses a calendar
        if milliseconds(due) < at:
            continue  # full long before its own cut-off: the file for the cut-off before is not for this one
        found.add((milliseconds(clock.moment_of(day, rule.after_cut_off, table)), due))
    return found


def _days_later(day: date, rule: ExpectedFile, table: Calendar) -> date:
    kind = clock.DAY_TYPES[rule.calendar]
    return clock.add_days(day, rule.days, kind, table)


def _explained(one: Difference, told: Mapping[str, str]) -> Difference:
    reason = told.get(one.key, "")
    return (
        Difference(key=one.key, kind=one.kind, subject=one.subject, number=one.number, reason=reason) if reason else one
    )


def explain(
    connection: Connection, city: City, system: str, day: date, key: str, reason: str, by: str, at: int
) -> None:
    """Say why a difference is none, or that it has been settled. A new explanation takes the place of the old one."""
    row = {"region": city.region, "system": system, "day": day.isoformat(), "difference": key}
    connection.run(
        "INSERT INTO explanation (region, system, day, difference, reason, by, at)"
        " VALUES (:region, :system, :day, :difference, :reason, :by, :at)"
        " ON CONFLICT (region, system, day, difference) DO UPDATE SET reason = :reason, by = :by, at = :at",
        {**row, "reason": reason, "by": by, "at": at},
    )
    chain = Chain(city.journal, f"system:{system}", at)
    chain.add("difference", key, None, "explained", {"day": day.isoformat(), "reason": reason})
    chain.write(connection, by)


def close(connection: Connection, city: City, system: FileSystem, day: date, by: str, at: int) -> SystemDay:
    """Close a day that is over and has no unexplained difference; one that is closed stays as it was. Raises NotAllowed."""
    found = system_day(connection, city, system, day, at)
    if found.closed_at is not None:
        return found
    if day >= city.calendar.local_day(moment(at)):
        raise NotAllowed(f"{day.isoformat()} is not over: it can be closed tomorrow")
    if found.unexplained:
        keys = ", ".join(one.key for one in found.unexplained[:5])
        raise NotAllowed(
            f"{len(found.unexplained)} differences of {system.name} on {day.isoformat()} have no explanation ({keys}):"
            " explain each, then close the day"
        )
    told = {"sent": found.sent, "accepted": found.accepted, "rejected": found.rejected, "pending": found.pending}
    digest = hashlib.sha256(as_json(found)).hexdigest()
    row = {"region": city.region, "system": system.name, "day": day.isoformat(), "digest": digest, "by": by, "at": at}
    connection.insert("day_closing", {**row, **told})
    chain = Chain(city.journal, f"system:{system.name}", at)
    chain.add("day", day.isoformat(), "open", "closed", {**told, "digest": digest})
    chain.write(connection, by)
    return found


def as_json(found: SystemDay) -> bytes:
    """The report of a day as it is kept and shown: canonical JSON, ids and codes only."""
    return orjson.dumps(adapter(SystemDay).dump_python(found, mode="json"), option=orjson.OPT_SORT_KEYS)


def _bounds(table: Calendar, day: date) -> tuple[int, int]:
    return milliseconds(table.first_moment(day)), milliseconds(table.first_moment(day + timedelta(days=1)))
