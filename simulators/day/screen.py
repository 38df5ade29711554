"""The accounts of a day on a screen: what became of it, who was waited for, and what waited longest."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from contracts.site import Site

WIDE: Final = 110
"""Columns of a terminal on which systems are shown with their names."""

MOST: Final = 12
"""Departments that are shown: those with the most deliveries still out, then those with the longest waits."""

PROMISES: Final = {
    "counter": "while the applicant waits",
    "date": "by the date of the case",
    "answer": "the department's own time",
}
"""The kinds of promise in words."""

_FIGURES: Final = (
    ("handed_in", "cases handed in"),
    ("deliveries_total", "deliveries to departments"),
    ("lost", "lost"),
    ("doubled", "doubled"),
    ("late", "cases to which a promise was not kept in time"),
    ("possible_duplicates", "sent again, marked as possible duplicates"),
    ("connections_refused", "connections that nobody answered"),
)
_LISTS: Final = (
    ("cases_by_status", "cases by status"),
    ("deliveries", "deliveries by state"),
    ("case_events", "events of cases"),
    ("tasks_done", "tasks done by people"),
    ("refused", "refused by the hub"),
    ("faults", "faults of departments"),
)


def show(console: Console, told: Mapping[str, Any], site: Site) -> None:
    """Everything that a tester wants to know first. The rest is in the JSON."""
    console.print(f"\n[bold]{told['day']}[/bold], seed {told['seed']}, judged at noon of {_judged_on(told['days'])}\n")
    console.print(_figures(told))
    if told["findings"] or told["forgotten"]:
        console.print("\n[bold red]what must not be[/bold red]")
        for sentence in (*told["findings"], *(f"case {one}: nobody would ever move it" for one in told["forgotten"])):
            console.print(f"  {sentence}")
    names = {system.key: system.name_en for department in site.departments for system in department.systems}
    console.print()
    console.print(_departments(told["waits"], names if console.width >= WIDE else {}))
    if told["latest"]:
        console.print()
        console.print(_late(told, site))
    if told["waited_longest"]:
        console.print()
        console.print(_longest(told["waited_longest"], site))
    console.print()
    console.print(_lists(told))


def _judged_on(days: int) -> str:
    return "the next day" if days == 1 else f"the day after {days} days"


def _figures(told: Mapping[str, Any]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_column(justify="right")
    for key, words in _FIGURES:
        bad = key in ("lost", "doubled") and told[key]
        table.add_row(f"[bold red]{told[key]:,}[/bold red]" if bad else f"[bold]{told[key]:,}[/bold]", words)
    return table


def _departments(waits: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> Table:
    shown = sorted(waits.items(), key=lambda one: (-one[1]["waiting"], -one[1]["longest_minutes"], one[0]))
    left = len(shown) - MOST
    caption = f"and {left} more, with less out (--json has them all)" if left > 0 else None
    table = Table(title="who was waited for", title_justify="left", box=None, padding=(0, 2), caption=caption)
    for name in ("system", *(("",) if names else ()), "by"):
        table.add_column(name)
    for name in ("deliveries", "still out", "half within", "longest"):
        table.add_column(name, justify="right")
    for system, one in shown[:MOST]:
        table.add_row(
            system,
            *((names.get(system, ""),) if names else ()),
            one["situation"],
            f"{one['deliveries']:,}",
            f"{one['waiting']:,}",
            duration(one["median_minutes"]),
            duration(one["longest_minutes"]),
        )
    return table


def _late(told: Mapping[str, Any], site: Site) -> Table:
    shares = ", ".join(f"{PROMISES[kind]}: {number:,}" for kind, number in told["late_by_promise"].items())
    table = Table(title="who was late", title_justify="left", box=None, padding=(0, 2), caption=shares)
    table.add_column("late by", justify="right", no_wrap=True)
    table.add_column("case", no_wrap=True, min_width=24)
    for name in ("promised", "for", "with"):
        table.add_column(name, no_wrap=True)
    for one in told["latest"]:
        table.add_row(
            duration(one["minutes_late"]) + ("" if one["came"] else " so far"),
            one["case_no"],
            PROMISES[one["promise"]],
            _what(one, site),
            one["system"],
        )
    return table


def _what(one: Mapping[str, Any], site: Site) -> str:
    names = {(item.code, step.id): step.name_en for item in site.items for step in item.steps}
    return f"{one['item']} {names.get((one['item'], one['step']), one['step'])}"


def _longest(longest: Sequence[Mapping[str, Any]], site: Site) -> Table:
    table = Table(title="who waited longest, and for what", title_justify="left", box=None, padding=(0, 2))
    table.add_column("waited", justify="right", no_wrap=True)
    table.add_column("case", no_wrap=True, min_width=24)
    for name in ("for", "with", "by", "now"):
        table.add_column(name, no_wrap=True)
    for one in longest:
        table.add_row(
            duration(one["minutes"]), one["case_no"], _what(one, site), one["system"], one["situation"], one["state"]
        )
    return table


def _lists(told: Mapping[str, Any]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2))
    for key, words in _LISTS:
        table.add_row(words, ", ".join(f"{name} {number:,}" for name, number in told[key].items()) or "none")
    return table


def duration(minutes: int) -> str:
    """Minutes as a person reads them."""
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02d}" if hours else f"{rest} min"
