"""``onedoor deliveries``: any delivery, whatever its state; holds of single ones are lifted here."""

from typing import Annotated

import typer

from hub.cli.operators import (
    By,
    ErrorOption,
    Limit,
    Since,
    SystemOption,
    decide,
    find,
    life_of,
    question,
    show_deliveries,
    show_life,
    tell,
    who,
)
from hub.cli.options import AsJson, Demo, SettingsFile, settings_from
from hub.orders import Word
from hub.results import NotAllowed, Verdict
from hub.states import DeliveryState

app = typer.Typer(
    help="Deliveries, whatever their state: what each has been through and what comes next.\n\n"
    "Example: onedoor deliveries list --state held",
    no_args_is_help=True,
)


@app.command("list")
def list_(
    state: Annotated[list[DeliveryState] | None, typer.Option(help="In this state; repeat for more.")] = None,
    system: SystemOption = None,
    error: ErrorOption = None,
    case: Annotated[list[str] | None, typer.Option(help="Of this case; repeat for more.")] = None,
    since: Since = None,
    limit: Limit = 100,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """List deliveries, oldest first.

    Example: onedoor deliveries list --state due --state unknown --system MZ-relief --since 6h
    """
    found = settings_from(settings, demo=demo)
    asked = question(found, states=state or (), systems=system, errors=error, cases=case, since=since, limit=limit)
    show_deliveries(found, find(found, asked), as_json)


@app.command()
def show(
    delivery: str, by: By = None, settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False
) -> None:
    """Show the whole life of one: tries with times, what was asked and answered (masked), what comes next.

    Example: onedoor deliveries show 019a2b3c-4d5e-7f60-8123-456789abcdef
    """
    found = settings_from(settings, demo=demo)
    show_life(found, life_of(found, delivery, who(by)), as_json)


@app.command()
def release(
    delivery: str, by: By = None, settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False
) -> None:
    """Lift the hold of one delivery: it is due again, also after its statutory date.

    Example: onedoor deliveries release 019a2b3c-4d5e-7f60-8123-456789abcdef --by zhang
    """
    found = settings_from(settings, demo=demo)
    state = life_of(found, delivery, who(by)).line.state
    if state != DeliveryState.HELD:
        raise NotAllowed(f"this delivery is {state}, not held: `onedoor deliveries show` says what it waits for")
    decide(found, delivery, Word(by=who(by), verdict=Verdict.RESEND))
    tell(f"delivery {delivery} is due again", as_json, delivery=delivery, verdict=Verdict.RESEND.value)


@app.command()
def cancel(
    delivery: str, by: By = None, settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False
) -> None:
    """Never send one: a person at the centre decides its step. What may have left already cannot be called back by this.

    Example: onedoor deliveries cancel 019a2b3c-4d5e-7f60-8123-456789abcdef --by zhang
    """
    found = settings_from(settings, demo=demo)
    decide(found, delivery, Word(by=who(by), verdict=Verdict.CANCEL))
    tell(
        f"delivery {delivery} is cancelled; its step waits for a person",
        as_json,
        delivery=delivery,
        verdict=Verdict.CANCEL.value,
    )
