"""``onedoor channels``: how each system is reached, and deliveries that go another way. Asks the running hub."""

from typing import Annotated, NoReturn
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from contracts.records import adapter
from contracts.situation import Situation
from hub.cli.asking import InFile, ask
from hub.cli.options import AsJson, Demo, SettingsFile, settings_from
from hub.results.shadows import ShadowReport
from hub.store.connection import StoreRefused
from hub.web.local_files import ChannelView, SwitchRequest

app = typer.Typer(
    help="Channels of systems, and deliveries that change theirs.\n\nExample: onedoor channels show",
    no_args_is_help=True,
)
Delivery = Annotated[UUID, typer.Argument(help="The id of the delivery.")]
VIEWS = adapter(tuple[ChannelView, ...])


def no_hub(file: InFile) -> NoReturn:
    """Channels are open in a running hub only. Raises StoreRefused."""
    raise StoreRefused("no hub is running: start it with `onedoor serve`, then ask again")


@app.command()
def show(
    system: Annotated[str | None, typer.Argument(help="Only this system.")] = None,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Show every channel: what it is for, whether it is open, what waits for it.

    Example: onedoor channels show MZ-legal --json
    """
    found = ask(settings_from(settings, demo=demo), no_hub, ("GET", "/admin/channels", None), VIEWS)
    shown = tuple(one for one in found if system in (None, one.system))
    if as_json:
        typer.echo(VIEWS.dump_json(shown))
        return
    table = Table("system", "situation", "for", "state", "waiting", "taken by itself when")
    for one in shown:
        state = one.why or (f"held: {one.held}" if one.held else "")
        table.add_row(
            one.system,
            one.situation,
            one.status,
            state or (f"breaker {one.breaker}" if one.breaker not in ("", "closed") else "open"),
            str(one.waiting),
            one.auto_fallback,
        )
    Console().print(table)


@app.command()
def shadow(
    system: Annotated[str, typer.Argument(help="The system.")],
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Show how the copies on a system's shadow channel were answered, beside what counts. Exit 1 where something differs.

    Example: onedoor channels shadow MZ-legal --json
    """
    of = adapter(ShadowReport)
    found = ask(settings_from(settings, demo=demo), no_hub, ("GET", f"/admin/channels/{system}/shadow", None), of)
    if as_json:
        typer.echo(of.dump_json(found))
    else:
        typer.echo(
            f"{found.copies} copies: {found.equal} answered alike, {len(found.different)} otherwise,"
            f" {found.uncompared} before the answer that counts, {found.waiting} not yet, {found.failed} failed {found.errors or ''}"
        )
        for one in found.different:
            typer.echo(f"{one.delivery}: {', '.join(one.names)}")
    if found.different:
        raise typer.Exit(1)


@app.command()
def fallback(
    delivery: Delivery,
    to: Annotated[Situation, typer.Option(help="The fallback channel's situation.")] = Situation.PAPER,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Send a delivery by a fallback channel, under the same id.

    Example: onedoor channels fallback 0192f0c4-7b1e-7000-8000-000000000001 --to paper
    """
    _switch(delivery, SwitchRequest(to=to.value), settings_file=settings, demo=demo, as_json=as_json)


@app.command("hand-back")
def hand_back(
    delivery: Delivery,
    sheet_void: Annotated[
        bool, typer.Option("--sheet-void", help="Every print of its task sheet has been collected and struck out.")
    ] = False,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Send a delivery by its system's own channel again.

    Example: onedoor channels hand-back 0192f0c4-7b1e-7000-8000-000000000001 --sheet-void
    """
    _switch(delivery, SwitchRequest(sheet_void=sheet_void), settings_file=settings, demo=demo, as_json=as_json)


def _switch(delivery: UUID, told: SwitchRequest, *, settings_file: SettingsFile, demo: bool, as_json: bool) -> None:
    found = settings_from(settings_file, demo=demo)
    body = adapter(SwitchRequest).dump_python(told, mode="json")
    changed = adapter(dict[str, str])
    done = ask(found, no_hub, ("POST", f"/admin/deliveries/{delivery}/channel", body), changed)
    if as_json:
        typer.echo(changed.dump_json(done))
    else:
        typer.echo(f"case {done['case_no']}: its delivery goes by {told.to or 'its own channel'} now", err=True)
