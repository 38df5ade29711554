"""``onedoor unknown``: deliveries of which nobody knows whether they arrived."""

from typing import Annotated

import orjson
import typer
from pydantic import JsonValue

from contracts.records import adapter
from hub.cli.asking import InFile, ask
from hub.cli.operators import (
    By,
    Limit,
    Since,
    SystemOption,
    Unclear,
    body,
    find,
    identified,
    question,
    show_deliveries,
    tell,
    who,
)
from hub.cli.operators import decide as decide_one
from hub.cli.options import AsJson, Demo, SettingsFile, settings_from
from hub.orders import Person, Word
from hub.results import NotAllowed, Verdict
from hub.states import DeliveryState

app = typer.Typer(
    help="Unknown outcomes: a message may have arrived or not. The hub asks where it can; for the rest a person decides.\n\n"
    "Example: onedoor unknown list",
    no_args_is_help=True,
)


@app.command("list")
def list_(
    system: SystemOption = None,
    since: Since = None,
    limit: Limit = 100,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """List them, oldest first. Those with nothing under "next" wait for a person.

    Example: onedoor unknown list --system MZ-relief
    """
    found = settings_from(settings, demo=demo)
    asked = question(found, states=(DeliveryState.UNKNOWN.value,), systems=system, since=since, limit=limit)
    show_deliveries(found, find(found, asked), as_json)


@app.command()
def enquire(
    delivery: Annotated[list[str], typer.Argument(help="Those to ask about.")],
    by: By = None,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Have the running hub ask the department at once.

    Example: onedoor unknown enquire 019a2b3c-4d5e-7f60-8123-456789abcdef --by zhang
    """
    found = settings_from(settings, demo=demo)
    person = Person(by=who(by))

    def in_file(_: InFile) -> None:
        raise NotAllowed("no hub is running that could ask: start it, it asks about whatever is unknown by itself")

    for one in map(identified, delivery):
        ask(found, in_file, ("POST", f"/admin/deliveries/{one}/enquire", body(person, Person)), adapter(type(None)))
    names = ", ".join(delivery)
    tell(f"asked about {names}: `onedoor deliveries show` tells what came of it", as_json, asked=list(delivery))


@app.command()
def decide(
    delivery: str,
    verdict: Annotated[
        Verdict,
        typer.Argument(
            help="done: the department did it. not-done: it has nothing, send again. resend: nobody knows, send again all the"
            " same. give-up: a dead letter. cancel: never send it, a person decides the step."
        ),
    ],
    decision: Annotated[
        str, typer.Option(help="With done, what they decided: done, granted, refused or returned.")
    ] = "done",
    field: Annotated[
        list[str] | None, typer.Option(help="With done, a field of their answer: name=value; repeat for more.")
    ] = None,
    reason: Annotated[str, typer.Option(help="With returned: the reason code.")] = "",
    by: By = None,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Settle one delivery as a person. The journal keeps who said what; whatever goes again says that it may be a duplicate.

    Example: onedoor unknown decide 019a2b3c-4d5e-7f60-8123-456789abcdef done --decision granted --by zhang
    """
    found = settings_from(settings, demo=demo)
    fields = dict(_named(one) for one in field or ())
    word = Word(by=who(by), verdict=verdict, decision=decision, fields=fields, reason_code=reason)
    decide_one(found, delivery, word)
    tell(f"delivery {delivery}: {verdict.value}", as_json, delivery=delivery, verdict=verdict.value)


def _named(text: str) -> tuple[str, JsonValue]:
    """``name=value``; a value that is JSON is taken as such, anything else as text. Raises Unclear."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Unclear(f"--field takes name=value: {text[:60]} is something else")
    try:
        parsed: JsonValue = orjson.loads(value)
    except orjson.JSONDecodeError:
        return name, value
    return name, parsed
