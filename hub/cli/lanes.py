"""``onedoor lanes``: the queues of the systems, pausing and resuming them."""

import typer
from pydantic import JsonValue
from rich.table import Table

from contracts.records import adapter
from hub import operating, results
from hub.cli.asking import InFile, ask
from hub.cli.operators import By, body, clock_time, show, tell, who, zone_of
from hub.cli.options import AsJson, Demo, SettingsFile, settings_from
from hub.offline import closed_city
from hub.operating import Queue
from hub.orders import Person
from hub.results import NotFoundHere
from hub.settings import Settings

app = typer.Typer(
    help="Lanes: one queue for each system, and why it does not send if it does not.\n\nExample: onedoor lanes list",
    no_args_is_help=True,
)
MOVED = adapter(dict[str, JsonValue])


@app.command("list")
def list_(settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False) -> None:
    """Show every queue: what is due, in hand, waiting, unknown, dead and held, and whether the lane is held.

    Example: onedoor lanes list --json
    """
    found = settings_from(settings, demo=demo)
    listing = adapter(tuple[Queue, ...])
    all_ = ask(
        found,
        lambda file: operating.queues(file.connection, closed_city(found, file.connection, file.keys), {}),
        ("GET", "/admin/lanes", None),
        listing,
    )
    zone = zone_of(found)

    def table(queues: tuple[Queue, ...]) -> Table:
        made = Table("system", "lane", "breaker", "due", "in hand", "waiting", "unknown", "dead", "held", "due since")
        for one in queues:
            numbers = (one.due, one.in_hand, one.waiting, one.unknown, one.dead, one.held_deliveries)
            head = (one.system, f"held: {one.held}" if one.held else "open", one.breaker or "")
            made.add_row(*head, *map(str, numbers), clock_time(one.due_since, zone))
        return made

    show(all_, listing, as_json, table)


@app.command()
def pause(
    system: str, by: By = None, settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False
) -> None:
    """Stop sending to a system until it is resumed, also after a restart. What it answers is still taken.

    Example: onedoor lanes pause MZ-relief --by zhang
    """
    found = settings_from(settings, demo=demo)
    moved = _move(found, system, "hold", who(by))
    tell(f"{system} is paused; {moved} deliveries are held", as_json, system=system, deliveries=moved)


@app.command()
def resume(
    system: str, by: By = None, settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False
) -> None:
    """Send again: after a pause, or once a refused login has been put right.

    Example: onedoor lanes resume MZ-relief --by zhang
    """
    found = settings_from(settings, demo=demo)
    moved = _move(found, system, "release", who(by))
    tell(f"{system} sends again; {moved} deliveries are due", as_json, system=system, deliveries=moved)


def _move(settings: Settings, system: str, what: str, by: str) -> int:
    def in_file(file: InFile) -> dict[str, JsonValue]:
        city = closed_city(settings, file.connection, file.keys)
        if system not in city.systems:
            raise NotFoundHere(f"no lane sends to {system}: see `onedoor lanes list` for the systems of this site")
        moved = 0
        while True:
            if what == "hold":
                chunk = results.hold_lane(file.connection, city, system, "paused", by, file.at)
            else:
                chunk = results.release_lane(file.connection, city, system, by, file.at)
            if chunk == 0:
                return {"deliveries": moved}
            moved += chunk

    call = ("POST", f"/admin/lanes/{system}/{what}", body(Person(by=by), Person))
    return int(str(ask(settings, in_file, call, MOVED)["deliveries"]))
