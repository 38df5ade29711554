"""``onedoor dead-letters``: what the hub has given up, why, and sending it again."""

from typing import Annotated

import typer
from rich.table import Table

from contracts.records import adapter
from hub import operating, orders
from hub.cli.asking import InFile, ask
from hub.cli.operators import (
    EVERYTHING,
    By,
    ErrorOption,
    Limit,
    Since,
    SystemOption,
    Unclear,
    body,
    clock_time,
    find,
    identified,
    life_of,
    question,
    show_deliveries,
    show_life,
    who,
    zone_of,
)
from hub.cli.operators import show as show_result
from hub.cli.options import AsJson, Demo, SettingsFile, settings_from
from hub.offline import closed_city
from hub.operating import Cause, Question
from hub.orders import MASS, Replayed, ReplayOrder
from hub.states import DeliveryState

app = typer.Typer(
    help="Dead letters: deliveries that the hub has given up. A step that waits for one waits for a person.\n\n"
    "Example: onedoor dead-letters list",
    no_args_is_help=True,
)
DEAD = (DeliveryState.DEAD.value,)


@app.command("list")
def list_(
    each: Annotated[bool, typer.Option("--each", help="Every one on its own line, not counted by cause.")] = False,
    system: SystemOption = None,
    error: ErrorOption = None,
    since: Since = None,
    limit: Limit = 100,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Count dead letters by system and cause, the most frequent first.

    Example: onedoor dead-letters list --each --system MZ-relief --error http_400 --since 3d
    """
    found = settings_from(settings, demo=demo)
    asked = question(found, states=DEAD, systems=system, errors=error, since=since, limit=limit)
    if each:
        show_deliveries(found, find(found, asked), as_json)
        return
    counted = ask(
        found,
        lambda file: operating.causes(file.connection, file.region, EVERYTHING, asked),
        ("POST", "/admin/deliveries/causes", body(asked, Question)),
        adapter(tuple[Cause, ...]),
    )
    zone = zone_of(found)

    def table(causes: tuple[Cause, ...]) -> Table:
        made = Table("system", "why", "number", "first", "last")
        for one in causes:
            times = (clock_time(one.oldest, zone), clock_time(one.newest, zone))
            made.add_row(one.system, one.error_code or "", str(one.number), *times)
        return made

    show_result(counted, adapter(tuple[Cause, ...]), as_json, table)


@app.command()
def show(
    delivery: str, by: By = None, settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False
) -> None:
    """Show the whole life of one: tries with times, what was asked and answered (masked), what comes next.

    Example: onedoor dead-letters show 019a2b3c-4d5e-7f60-8123-456789abcdef
    """
    found = settings_from(settings, demo=demo)
    show_life(found, life_of(found, delivery, who(by)), as_json)


@app.command()
def replay(
    delivery: Annotated[list[str] | None, typer.Argument(help="Those named; none: all that the options mean.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every dead letter there is.")] = False,
    system: SystemOption = None,
    error: ErrorOption = None,
    since: Since = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many it would be.")] = False,
    confirmed_by: Annotated[
        str | None, typer.Option(help=f"The second person; needed for more than {MASS} at a stroke.")
    ] = None,
    by: By = None,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Send dead letters again under their own ids, as fast as each system's lane lets them. Twice is once.

    Example: onedoor dead-letters replay --system MZ-relief --error http_400 --by zhang --confirmed-by li --dry-run
    """
    found = settings_from(settings, demo=demo)
    filtered = bool(system or error or since)
    if sum((bool(delivery), all_, filtered)) != 1:
        raise Unclear("say which: delivery ids, or --system, --error and --since, or --all")
    order = ReplayOrder(
        by=who(by),
        ids=tuple(identified(one) for one in delivery or ()),
        question=None if delivery else question(found, systems=system, errors=error, since=since),
        confirmed_by=who(confirmed_by) if confirmed_by else None,
        dry_run=dry_run,
    )

    def in_file(file: InFile) -> Replayed:
        city = closed_city(found, file.connection, file.keys)
        ids = orders.meant(file.connection, city, EVERYTHING, order)
        done = [] if dry_run else orders.replay(file.connection, city, order, ids, file.at)
        return Replayed(found=len(ids), replayed=len(done))

    made = ask(found, in_file, ("POST", "/admin/deliveries/replay", body(order, ReplayOrder)), adapter(Replayed))
    if as_json:
        typer.echo(adapter(Replayed).dump_json(made, indent=2))
    elif dry_run:
        typer.echo(f"{made.found} dead letters would be sent again")
    else:
        typer.echo(f"{made.replayed} of {made.found} dead letters are due again")
