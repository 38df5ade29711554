"""``onedoor cases``: the newest cases, one case, what a number that somebody has in hand belongs to. Nothing personal is shown."""

from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Group
from rich.table import Table

from contracts.api import CaseView
from contracts.records import adapter
from hub import lookup
from hub.case_states import CASE_STATES, CaseState
from hub.cli import persons
from hub.cli.asking import InFile, NotDone, ask
from hub.cli.operators import By, body, clock_time, note_reading, show, who, zone_of
from hub.cli.options import AsJson, Demo, SettingsFile, settings_from
from hub.lookup import Belongs, CaseLine, CaseQuestion
from hub.orders import Person
from hub.readings import Reading, Way, What
from hub.web.local_lookup import Number

app = typer.Typer(
    help="Cases: listed, shown, looked up by any number, found by their person. Nothing personal is shown.\n\nExample: onedoor cases list --status 40",
    no_args_is_help=True,
)

app.command()(persons.find)
app.command()(persons.erase)


@app.command("list")
def list_(
    status: Annotated[str, typer.Option(help="In this state only: a code such as 40, see docs/states.md.")] = "",
    item: Annotated[str, typer.Option(help="Of this item only.")] = "",
    centre: Annotated[str, typer.Option(help="Accepted by this centre only.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")] = 50,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Show the newest cases.

    Example: onedoor cases list --item MZ004 --limit 20
    """
    found = settings_from(settings, demo=demo)
    if status and status not in {state.value for state in CaseState}:
        raise NotDone(f"{status} is no state of a case: docs/states.md lists the codes")
    question = CaseQuestion(status=status, item=item, centre=centre, limit=limit)
    listing = adapter(tuple[CaseLine, ...])
    cases = ask(
        found,
        lambda file: lookup.cases(file.connection, file.region, question),
        ("POST", "/admin/cases", adapter(CaseQuestion).dump_python(question, mode="json")),
        listing,
    )
    zone = zone_of(found)

    def table(lines: tuple[CaseLine, ...]) -> Table:
        made = Table("case", "item", "state", "flags", "centre", "received", "due")
        for one in lines:
            state, item_ = f"{one.status} {one.status_name}", f"{one.item}@{one.item_version}"
            times = clock_time(one.received_at, zone), clock_time(one.due_at, zone)
            made.add_row(one.case_no, item_, state, ", ".join(one.flags), one.accepting_centre, *times)
        return made

    show(cases, listing, as_json, table)


@app.command("show")
def show_(
    case_no: Annotated[str, typer.Argument(help="The case number, 24 digits.")],
    by: By = None,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Show one case: steps, deliveries with their attempts, tasks, journal. What departments replied is covered.

    Example: onedoor cases show 310104901260302000000017
    """
    found = settings_from(settings, demo=demo)
    if not (len(case_no) == 24 and case_no.isdecimal()):
        raise NotDone(
            f"{case_no[:40]} is no case number: `onedoor cases lookup {case_no[:40]}` looks for any other number"
        )
    whole, name = adapter(CaseView), who(by)

    def in_file(file: InFile) -> CaseView:
        view = lookup.case(file.connection, file.region, file.keys, case_no)
        note_reading(file, Reading(of=case_no, what=What.CASE, by=name, way=Way.COMMAND))
        return view

    view = ask(found, in_file, ("POST", f"/admin/cases/{case_no}/show", body(Person(by=name), Person)), whole)
    zone = zone_of(found)
    show(view, whole, as_json, lambda one: _tables(one, zone))


@app.command("lookup")
def lookup_(
    number: Annotated[str, typer.Argument(help="Of a case, message, task sheet, delivery, task or batch.")],
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Say what a number is and which case it belongs to. Exit code 2 when nobody knows it.

    Example: onedoor cases lookup 7KQ2-M4XD-9P3
    """
    found = settings_from(settings, demo=demo)
    listing = adapter(tuple[Belongs, ...])
    belongs = ask(
        found,
        lambda file: lookup.find(file.connection, file.region, number),
        ("POST", "/admin/find", adapter(Number).dump_python(Number(number=number), mode="json")),
        listing,
    )
    if not belongs:
        raise NotDone(f"nothing here has the number {number[:60]}: check it against the paper or the log")

    def table(all_: tuple[Belongs, ...]) -> Table:
        made = Table("what", "number", "case", "state")
        for one in all_:
            made.add_row(one.kind, one.number, one.case_no, one.state)
        return made

    show(belongs, listing, as_json, table)


def _tables(view: CaseView, zone: ZoneInfo) -> Group:
    head = Table("case", "item", "state", "received", "accepted", "due", "centre")
    times = [clock_time(at, zone) for at in (view.received_at, view.accepted_at, view.due_at)]
    state = f"{view.status} {CASE_STATES[CaseState(view.status)].name_en}"
    head.add_row(view.case_no, f"{view.item}@{view.item_version}", state, *times, view.accepting_centre)
    steps = Table("step", "kind", "state", "decision", "system", "opened", "closed", "reply")
    for step in view.steps:
        opened, closed = clock_time(step.opened_at, zone), clock_time(step.closed_at, zone)
        told = ", ".join(step.reply or ())
        steps.add_row(step.id, step.kind, step.state, step.decision, step.system, opened, closed, told)
    deliveries = Table("delivery", "step", "system", "state", "attempts", "last error", "possible duplicate")
    for one in view.deliveries:
        last = one.attempts[-1].error_code if one.attempts else None
        doubt = "yes" if one.possible_duplicate else ""
        deliveries.add_row(str(one.id), one.step, one.system, one.state, str(len(one.attempts)), last, doubt)
    tasks = Table("task", "step", "kind", "state", "sheet", "due")
    for task in view.tasks:
        tasks.add_row(str(task.id), task.step, task.kind, task.state, task.sheet_no, clock_time(task.due_at, zone))
    journal = Table("seq", "at", "what", "subject", "from", "to", "by")
    for line in view.journal:
        moved = line.from_state or "", line.to_state or ""
        journal.add_row(str(line.seq), clock_time(line.at, zone), line.kind, line.subject, *moved, line.by)
    return Group(head, steps, deliveries, tasks, journal)
