"""docs/conformance.md: what the kit asks. ``python -m simulators.certify.page`` prints it; a test holds the page to the code."""

import sys
from importlib.resources import files

from simulators.certify.check import ANY, Area, Check
from simulators.certify.kit import CHECKS

_AREAS = {
    Area.DECLARATION: "What the department declares",
    Area.MAPPING: "How fields become a message",
    Area.EXCHANGE: "A message and its answer",
    Area.FAULTS: "The fault matrix",
    Area.MANNERS: "How the plugin behaves in the hub",
}


def page() -> str:
    """The whole page."""
    head = (files("simulators.certify") / "templates" / "conformance.md").read_text(encoding="utf-8")
    parts = [head.rstrip()]
    for area, title in _AREAS.items():
        rows = [one for one in CHECKS if one.area is area]
        if rows:
            table = ["| check | asks | applies to | when it fails |", "|---|---|---|---|", *map(_row, rows)]
            parts.append(f"## {title}\n\n" + "\n".join(table))
    return "\n\n".join(parts) + "\n"


def _row(check: Check) -> str:
    weight = "" if check.weight == "must" else " (should)"
    return f"| `{check.name}`{weight} | {check.title_en} | {_applies(check)} | {check.mend_en} |"


def _applies(check: Check) -> str:
    told = "every channel" if check.situations == ANY else ", ".join(f"`{one.value}`" for one in check.situations)
    if check.protocols:
        told = ", ".join(f"`{one}`" for one in check.protocols)
    wants = ", ".join(f"`{need.__name__}`" for need in check.needs)
    return f"{told} with {wants}" if wants else told


if __name__ == "__main__":
    sys.stdout.write(page())
