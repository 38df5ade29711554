"""Draws the state tables as Mermaid: ``docs/states.md`` is this text, and a test keeps them equal.

``python -m hub.state_diagrams > docs/states.md`` writes it again after a change of a table.
"""

import sys
from collections.abc import Iterable

from hub.case_states import CASE_STATES, CASE_TRANSITIONS, GUARD_TEXT, CaseTransition
from hub.states import INITIAL, STATES, TRANSITIONS, Machine, Transition, is_final

_ABOUT = {
    Machine.STEP: (
        "Step 环节",
        """\
A delivery that died leaves its step open: a person settles it. A join that goes on without an optional source marks that source
`not_answered`; its step stays open and a late answer is recorded.""",
    ),
    Machine.DELIVERY: (
        "Delivery",
        """\
One round of one step's message to one system. A reply is legal in every state that is not final: one to a claimed delivery voids its
fencing token, one to a sending delivery wins over the attempt's later outcome.""",
    ),
    Machine.ATTEMPT: (
        "Attempt",
        """\
One try at a delivery. An attempt that stays `started` after its process died is an attempt without outcome; three of them make the
delivery dead.""",
    ),
    Machine.TASK: (
        "Manual task",
        """\
A person's work item. `obsolete`: answered elsewhere, withdrawn or superseded. `to_confirm`: a second person has to agree.""",
    ),
    Machine.BATCH: (
        "Batch",
        "Deliveries that travel together; sealed before the first byte leaves, and resent as the same bytes.",
    ),
    Machine.HANDOVER: (
        "Handover list 交接清单",
        "What a courier takes to one department. It is closed by itself when none of its sheets is out any more.",
    ),
    Machine.HANDOVER_LINE: (
        "Sheet on a handover list",
        "`left_behind`: listed, but not scanned when the list left. A lost sheet may still turn up.",
    ),
    Machine.SCAN: ("Scanned file", "`refused`: no page can be made of it; the file is kept."),
    Machine.SCAN_PAGE: (
        "Scanned page",
        """\
`matched`: attached to its sheet. `odd`: it needs a person, who either says which sheet it belongs to or dismisses it. No state of a page
moves a task: a person confirms, with the scan beside the form.""",
    ),
}

_HEAD = """\
# States

Everything in the hub that has a state is drawn here from the tables in `hub/states.py` and `hub/case_states.py`. A move that is not in
them is refused. After a change of a table run `python -m hub.state_diagrams > docs/states.md`.
"""


def document() -> str:
    """The whole of ``docs/states.md``."""
    parts = [_HEAD, _case_part()]
    for machine, (title, about) in _ABOUT.items():
        parts.append(f"## {title}\n\n{about}\n\n{_fenced(_machine_lines(machine, TRANSITIONS[machine]))}\n")
    return "\n".join(parts)


def _fenced(lines: Iterable[str]) -> str:
    return "\n".join(("```mermaid", "stateDiagram-v2", *(f"    {line}" for line in lines), "```"))


def _machine_lines(machine: Machine, rows: Iterable[Transition]) -> Iterable[str]:
    yield f"[*] --> {INITIAL[machine]}"
    for row in rows:
        yield f"{row.from_} --> {row.to}" + (f" : {', '.join(row.causes)}" if row.causes else "")
    for state in STATES[machine]:
        if is_final(machine, state):
            yield f"{state} --> [*]"


def _case_part() -> str:
    lines = [f'state "{info.state} {info.name_zh}<br/>{info.name_en}" as {info.key}' for info in CASE_STATES.values()]
    for row in CASE_TRANSITIONS:
        from_ = "[*]" if row.from_ is None else CASE_STATES[row.from_].key
        lines.append(f"{from_} --> {CASE_STATES[row.to].key} : {row.event}")
    lines += [f"{info.key} --> [*]" for info in CASE_STATES.values() if info.terminal]
    states = [f"| {info.state} | {info.name_zh} | {info.name_en} | {info.clock} |" for info in CASE_STATES.values()]
    return "\n".join(
        (
            "## Case 办件",
            "",
            "A part that was returned or suspended while other parts are open is a flag on the case until all open parts are. A suspended",
            "case remembers the state that it came from and resumes to it.",
            "",
            _fenced(lines),
            "",
            "| code | 状态 | state | clock |",
            "|---|---|---|---|",
            *states,
            "",
            "| from | event | to | by | guard |",
            "|---|---|---|---|---|",
            *(_case_row(row) for row in CASE_TRANSITIONS),
            "",
        )
    )


def _case_row(row: CaseTransition) -> str:
    from_ = "(new)" if row.from_ is None else f"{row.from_} {CASE_STATES[row.from_].name_zh}"
    guard = "" if row.guard is None else f"`{row.guard}`: {GUARD_TEXT[row.guard]}"
    return f"| {from_} | {row.name_zh} `{row.event}` | {row.to} {CASE_STATES[row.to].name_zh} | {row.by} | {guard} |"


if __name__ == "__main__":
    sys.stdout.write(document())
