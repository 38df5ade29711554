"""``onedoor files``: what is missing in the exchange of files, and the daily reconciliation. Asks the running hub."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from contracts.records import adapter
from hub.cli.asking import ask
from hub.cli.channels import no_hub
from hub.cli.operators import tell
from hub.cli.options import AsJson, Demo, SettingsFile, settings_from
from hub.file_watch import keep_report
from hub.reconciliation import Difference, SystemDay
from hub.web.local_files import DayRequest, ExplainRequest

app = typer.Typer(
    help="Files that come and go, and their reconciliation.\n\nExample: onedoor files reconcile --day 2026-11-24",
    no_args_is_help=True,
)
Day = Annotated[datetime, typer.Option("--day", formats=["%Y-%m-%d"], help="The day, in the site's time.")]
System = Annotated[str | None, typer.Option("--system", help="Only this system.")]
DAYS = adapter(tuple[SystemDay, ...])
ALARMS = adapter(dict[str, tuple[Difference, ...]])


@app.command()
def alarms(settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False) -> None:
    """Show files and receipts that should have come, and numbers that were left out.

    Example: onedoor files alarms --json
    """
    found = ask(settings_from(settings, demo=demo), no_hub, ("GET", "/admin/files/alarms", None), ALARMS)
    if as_json:
        typer.echo(ALARMS.dump_json(found))
        return
    table = Table("system", "what", "which", "difference")
    for system, differences in found.items():
        for one in differences:
            table.add_row(system, one.kind, one.subject, one.key)
    Console().print(table)


@app.command()
def reconcile(
    day: Day,
    system: System = None,
    report: Annotated[Path | None, typer.Option(help="Keep the report (JSON and CSV) in this folder.")] = None,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Show how a day stands: sent = accepted + rejected + pending, and what does not fit. Exit 1 while a difference is unexplained.

    Example: onedoor files reconcile --day 2026-11-24 --report /srv/reports
    """
    body = adapter(DayRequest).dump_python(DayRequest(day=day.date(), system=system), mode="json")
    found = ask(settings_from(settings, demo=demo), no_hub, ("POST", "/admin/files/reconcile", body), DAYS)
    if report is not None:
        for one in found:
            keep_report(report, one)
    _show(found, as_json=as_json)
    if any(one.unexplained for one in found):
        raise typer.Exit(1)


@app.command()
def explain(
    difference: Annotated[str, typer.Argument(help="The key that `onedoor files reconcile` shows.")],
    day: Day,
    system: Annotated[str, typer.Option(help="The system.")],
    reason: Annotated[str, typer.Option(help="A code: sent_again, test_file, agreed_by_phone ..")],
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Say why a difference is none, or that it has been settled.

    Example: onedoor files explain gap:20261124:2 --day 2026-11-24 --system WJ-family --reason agreed_by_phone
    """
    told = ExplainRequest(system=system, day=day.date(), difference=difference, reason=reason)
    body = adapter(ExplainRequest).dump_python(told, mode="json")
    ask(settings_from(settings, demo=demo), no_hub, ("POST", "/admin/files/explain", body), adapter(type(None)))
    tell(f"{difference} is explained", as_json, difference=difference, reason=reason)


@app.command()
def close(
    day: Day, system: System = None, settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False
) -> None:
    """Close a day that is over; refused while a difference has no explanation.

    Example: onedoor files close --day 2026-11-24
    """
    body = adapter(DayRequest).dump_python(DayRequest(day=day.date(), system=system), mode="json")
    found = ask(settings_from(settings, demo=demo), no_hub, ("POST", "/admin/files/close", body), DAYS)
    _show(found, as_json=as_json)


def _show(found: tuple[SystemDay, ...], *, as_json: bool) -> None:
    if as_json:
        typer.echo(DAYS.dump_json(found))
        return
    table = Table("system", "files out", "in", "sent", "accepted", "rejected", "pending", "differences", "closed by")
    for one in found:
        numbers = (one.files_out, one.files_in, one.sent, one.accepted, one.rejected, one.pending)
        table.add_row(one.system, *map(str, numbers), str(len(one.unexplained)), one.closed_by)
    Console().print(table)
    for one in found:
        for difference in one.differences:
            told = f" ({difference.reason})" if difference.reason else ""
            typer.echo(f"{one.system}: {difference.kind} {difference.subject}: {difference.key}{told}")
