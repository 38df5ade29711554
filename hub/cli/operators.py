"""What the commands of those who run the hub share: who they are, which deliveries they mean, how a list looks."""

import getpass
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import orjson
import typer
from pydantic import JsonValue, TypeAdapter
from rich.console import Console, RenderableType
from rich.table import Table

from contracts.errors import OnedoorError
from contracts.records import adapter
from contracts.site import load_site
from hub import operating, readings
from hub.app import site_folder
from hub.cli.asking import InFile, ask
from hub.clients import Scope
from hub.offline import closed_city
from hub.operating import Deliveries, DeliveryLife, Question
from hub.orders import Person, Word
from hub.orders import decide as decide_in
from hub.readings import Reading, Way, What
from hub.settings import Settings

T = TypeVar("T")
R = TypeVar("R")

PIPED_WIDTH = 250
"""Columns of a table that goes to a file or another program."""

EVERYTHING = Scope()
"""Whoever may open the file or the socket may see every centre and item."""

By = Annotated[str | None, typer.Option("--by", help="Who you are, for the journal; without it your login name.")]
SystemOption = Annotated[list[str] | None, typer.Option("--system", help="Of this system; repeat for more.")]
ErrorOption = Annotated[list[str] | None, typer.Option("--error", help="With this error code; repeat for more.")]
Since = Annotated[
    str | None, typer.Option(help="Since then: 2026-11-25, 2026-11-25T08:30 (time of the site), or 90m, 6h, 3d ago.")
]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")]

_AGO = re.compile(r"([0-9]{1,6})([mhd])")
_UNIT = {"m": "minutes", "h": "hours", "d": "days"}
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")


class Unclear(OnedoorError):
    """An option that cannot be understood; the text says how it is written."""


def who(by: str | None) -> str:
    """The reference that the journal keeps. Raises Unclear."""
    name = by or os.environ.get("SUDO_USER") or getpass.getuser()
    if not _NAME.fullmatch(name):
        raise Unclear("--by is a reference of letters, digits and . _ @ -, not a name in full")
    return name


def question(
    settings: Settings,
    *,
    states: Iterable[str] = (),
    systems: Sequence[str] | None = None,
    errors: Sequence[str] | None = None,
    cases: Sequence[str] | None = None,
    since: str | None = None,
    limit: int = 100,
) -> Question:
    """Which deliveries the options mean. Raises Unclear."""
    return Question(
        states=frozenset(states),
        systems=frozenset(systems or ()),
        error_codes=frozenset(errors or ()),
        cases=frozenset(cases or ()),
        since=_moment(since, zone_of(settings)) if since else None,
        limit=limit,
    )


def zone_of(settings: Settings) -> ZoneInfo:
    """The time zone of the site."""
    return ZoneInfo(load_site(site_folder(settings)).timezone)


def _moment(text: str, zone: ZoneInfo) -> datetime:
    ago = _AGO.fullmatch(text)
    if ago:
        return datetime.now(UTC) - timedelta(**{_UNIT[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Unclear(
            f"--since takes 2026-11-25, 2026-11-25T08:30, or 90m, 6h, 3d: {text} is something else"
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=zone)


def body(value: T, kind: type[T]) -> Any:
    """A record as a request over the socket carries it."""
    return adapter(kind).dump_python(value, mode="json")


def find(settings: Settings, asked: Question) -> Deliveries:
    """The deliveries that the question means."""
    return ask(
        settings,
        lambda file: operating.deliveries(file.connection, file.region, EVERYTHING, asked),
        ("POST", "/admin/deliveries/find", body(asked, Question)),
        adapter(Deliveries),
    )


def life_of(settings: Settings, delivery: str, by: str) -> DeliveryLife:
    """One delivery from its first day; the journal keeps who looked. Raises Unclear, NotFoundHere."""
    name = identified(delivery)

    def in_file(file: InFile) -> DeliveryLife:
        life = operating.life(file.connection, file.region, file.keys, EVERYTHING, name)
        note_reading(file, Reading(of=life.line.case_no, what=What.DELIVERY, part=name, by=by, way=Way.COMMAND))
        return life

    call = ("POST", f"/admin/deliveries/{name}/show", body(Person(by=by), Person))
    return ask(settings, in_file, call, adapter(DeliveryLife))


def note_reading(file: InFile, reading: Reading) -> None:
    """Who reads in the file of a hub that does not run stands in the journal all the same."""
    readings.note(file.connection, file.keys.journal(file.region), reading, file.at)


def identified(delivery: str) -> str:
    """A delivery id as it is stored. Raises Unclear."""
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", delivery):
        raise Unclear(f"{delivery[:60]} is no delivery id: see `onedoor deliveries list`")
    return delivery.lower()


def decide(settings: Settings, delivery: str, word: Word) -> None:
    """Do what a person says of one delivery."""
    name = identified(delivery)

    def in_file(file: InFile) -> None:
        city = closed_city(settings, file.connection, file.keys)
        decide_in(file.connection, city, name, word, file.at)

    ask(settings, in_file, ("POST", f"/admin/deliveries/{name}/decide", body(word, Word)), adapter(type(None)))


def show(value: T, kind: "TypeAdapter[T]", as_json: bool, table: Callable[[T], RenderableType]) -> None:
    """Print a result: as JSON for programs, as a table for people."""
    if as_json:
        typer.echo(kind.dump_json(value, indent=2))
    else:
        # In a pipe or a file nobody can scroll: nothing is cut there to fit a screen.
        Console(width=None if sys.stdout.isatty() else PIPED_WIDTH).print(table(value))


def show_deliveries(settings: Settings, found: Deliveries, as_json: bool) -> None:
    """A list of deliveries."""
    zone = zone_of(settings)

    def table(value: Deliveries) -> Table:
        made = Table("delivery", "case", "step", "system", "state", "why", "tries", "since", "next")
        for one in value.deliveries:
            doubt = " (maybe a duplicate)" if one.possible_duplicate else ""
            step = f"{one.step} {one.subject}" if one.subject else one.step
            cells = (str(one.id), one.case_no, step, one.system, one.state + doubt, one.error_code or "")
            made.add_row(*cells, str(one.attempts), clock_time(one.since, zone), clock_time(one.next_at, zone))
        return made

    show(found, adapter(Deliveries), as_json, table)
    if found.more and not as_json:
        typer.echo("There are more: raise --limit, or narrow the question.", err=True)


def show_life(settings: Settings, life: DeliveryLife, as_json: bool) -> None:
    """One delivery from its first day: as a table a time line."""
    zone = zone_of(settings)

    def table(value: DeliveryLife) -> Table:
        line = value.line
        made = Table("when", "what", "", title=f"{line.id} to {line.system}, {line.operation}: {line.state}")
        events = [(value.created_at, "created", f"case {line.case_no}, step {line.step}, round {line.round}")]
        for one in value.attempts:
            doubt = ", may be a duplicate" if one.possible_duplicate else ""
            ended = f"until {clock_time(one.ended_at, zone)}" if one.ended_at else "without an end"
            events.append((one.started_at, f"try {one.number}", f"{one.state} {one.error_code or ''} {ended}{doubt}"))
        events += [
            (one.recorded_at, f"answer {one.kind}", f"{one.verdict}, {one.times} times: {one.content}")
            for one in value.answers
        ]
        events += [
            (one.at, f"{one.kind} {one.from_state or ''} > {one.to_state or ''}", f"by {one.by}")
            for one in value.journal
            if one.kind != "attempt" and one.from_state != one.to_state
        ]
        for at, what, detail in sorted(events, key=lambda event: event[0]):
            made.add_row(clock_time(at, zone), what, detail)
        made.add_row("", "request, masked", str(value.request))
        made.add_row(clock_time(line.next_at, zone) or "never", "next by itself", line.error_code or "")
        return made

    show(life, adapter(DeliveryLife), as_json, table)


def tell(sentence: str, as_json: bool, **facts: JsonValue) -> None:
    """What a command has done: a sentence for people, or the facts for programs."""
    if as_json:
        typer.echo(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
    else:
        typer.echo(sentence, err=True)


def clock_time(at: datetime | None, zone: ZoneInfo) -> str:
    """A time of the site, to the second."""
    return "" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
