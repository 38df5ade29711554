"""What a demo shows: how far it is, and in the end one table that says what came of everything."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from contracts.situation import Situation
from simulators.demo_figures import ENDED, SETTLED, Figures, sending_situations, situation_of
from simulators.demo_play import Seen
from simulators.world import World

NAMES: Final[Mapping[Situation, str]] = {
    Situation.API: "API",
    Situation.PAPER: "paper",
    Situation.FILE_DROP: "file drop",
}
_COLUMNS: Final = ("cases", "deliveries", "attempts", "retries", "unknown", "refused", "returned", "dead", "waiting")
_HEADS: Final = ("cases", "sent", "tries", "retries", "unknown", "refused", "returned", "dead", "waiting")


class Bars:
    """The progress display. Where the output is no terminal it is one line now and then."""

    def __init__(self, progress: Progress, city: World, cases: int) -> None:
        self._progress = progress
        self._sending = sending_situations(city.site)
        self._zone = ZoneInfo(city.site.timezone)
        self._rows: dict[str, TaskID] = {
            name: progress.add_task(name, total=total, note="")
            for name, total in {
                "cases handed in": cases,
                "answered by API": 0,
                "answered in files": 0,
                "answered on paper": 0,
                "cases finished": cases,
            }.items()
        }
        self._quarter = -1

    def show(self, seen: Seen) -> None:
        """The state of things now."""
        at = f"{seen.at.astimezone(self._zone):%A %Y-%m-%d %H:%M}"
        finished = sum(view.status in ENDED for view in seen.views)
        self._progress.update(self._rows["cases handed in"], completed=seen.handed_in, note=f"it is {at}")
        self._progress.update(self._rows["cases finished"], completed=finished)
        words = {Situation.API: "by API", Situation.FILE_DROP: "in files", Situation.PAPER: "on paper"}
        for situation, how in words.items():
            mine = [
                one for view in seen.views for one in view.deliveries if situation_of(one, self._sending) is situation
            ]
            self._progress.update(
                self._rows[f"answered {how}"], total=len(mine), completed=sum(one.state in SETTLED for one in mine)
            )
        quarter = int(seen.at.timestamp()) // (6 * 3600)
        if not self._progress.console.is_terminal and quarter != self._quarter:
            self._quarter = quarter
            self._progress.console.print(f"  {at}: {seen.handed_in} handed in, {finished} finished")


@contextmanager
def bars(console: Console, city: World, cases: int) -> Iterator[Bars]:
    """The display, until the block ends."""
    columns = (TextColumn("  {task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
    clock = TextColumn("{task.fields[note]}", style="bold")
    with Progress(*columns, clock, console=console, transient=True) as progress:
        yield Bars(progress, city, cases)


def show_figures(console: Console, found: Figures, faults: Mapping[str, int]) -> None:
    """The table, what is waited for, and the faults: each within 80 columns."""
    table = _table("What came of it", "", *_HEADS)
    waited: list[tuple[str, str, int]] = []
    for situation, name in NAMES.items():
        counts = found.by_situation[situation].as_json()
        table.add_row(name, *(str(counts[column]) for column in _COLUMNS))
        waited += [(name, *reason) for reason in sorted(found.by_situation[situation].waiting.items())]
    centre = found.centre
    # A step of the centre is not sent anywhere: it has no tries that could fail.
    cells = [str(centre.cases), str(centre.steps), "-", "-", "-", str(centre.refused), str(centre.returned), "-"]
    table.add_row("centre steps", *cells, str(sum(centre.waiting.values())))
    waited += [("centre steps", *reason) for reason in sorted(centre.waiting.items())]
    console.print(table)
    if waited:
        reasons = _table("What is waited for", "", "for", "how many")
        for name, reason, count in waited:
            reasons.add_row(name, reason, str(count))
        console.print(reasons)
    console.print(_sentence(found))
    kinds = _table("Faults injected", "by departments, offices and lines", "times")
    for kind, count in faults.items():
        kinds.add_row(kind.replace("_", " "), str(count))
    console.print(kinds)


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column(first, no_wrap=True)
    for head in others:
        table.add_column(head, justify="left" if head == "for" else "right", no_wrap=True)
    return table


def _reasons(waiting: Mapping[str, int]) -> str:
    return ", ".join(f"{reason}: {count}" for reason, count in sorted(waiting.items()))


def _sentence(found: Figures) -> str:
    """One paragraph over all situations."""
    words = [f"{found.cases} cases: {found.completed} finished, {found.cases - found.completed} waiting"]
    words.append(f" for {_reasons(found.waiting)}." if found.waiting else ".")
    reached = sum(line.deliveries > 0 for line in found.by_system.values())
    words.append(f" Items with a case: {found.items} of {found.items_of_site};")
    words.append(f" systems that got something: {reached} of {len(found.by_system)}.")
    if found.dead_letters:
        words.append(f" Deliveries that became a dead letter at some time: {found.dead_letters}.")
    if found.unnamed:
        words.append(f" [bold red]In no state that has a name: {', '.join(found.unnamed)}.[/bold red]")
    return "".join(words) + "\n"


def show_verdict(console: Console, verdict: Mapping[str, Any]) -> None:
    """What the oracle says."""
    ok = verdict["verdict"] == "ok"
    colour = "green" if ok else "red"
    console.print(
        f"[bold {colour}]The oracle, which imports nothing of the hub: {verdict['verdict']}.[/bold {colour}]"
        f" Lost {verdict['lost']}, undetected duplicates {verdict['undetected_duplicates']},"
        f" sent again and marked as a possible duplicate {verdict['possible_duplicates']}."
    )
    for name, check in verdict["invariants"].items():
        console.print(f"  {name} {'ok' if check['ok'] else 'FAILED'}: {check['checked']} looked at", highlight=False)
        for sentence in check["findings"][:5]:
            console.print(f"     {sentence}", highlight=False, markup=False)
