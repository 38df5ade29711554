"""The page about the plugin contract names every hook, method, capability and error, and what it shows is strictly typed."""

import inspect
import re
from pathlib import Path
from typing import Any

import pluggy
import pytest

from contracts import errors, plugin
from contracts.plugin import Gateway, Hooks, Runtime
from hub.rooms import _MAPPINGS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/plugin.md").read_text("utf-8")
ROWS = {
    cells[0]: cells[1:]
    for line in re.findall(r"^\| `(.*) \|$", PAGE, re.MULTILINE)
    if (cells := [cell.strip("` ") for cell in line.split(" | ")])
}
CAPABILITIES: list[type[Any]] = [
    one for _, one in inspect.getmembers(plugin, inspect.isclass) if getattr(one, "_is_runtime_protocol", False)
]

PROTOCOLS: list[type[Any]] = [Runtime, Gateway, *CAPABILITIES]


def members(of: type[Any]) -> dict[str, Any]:
    return {name: member for name, member in vars(of).items() if not name.startswith("_")}


def told(name: str, member: Any, *, prefix: str = "") -> str:
    """As a row begins: the name with its parameters; a property without."""
    if isinstance(member, property):
        return prefix + name
    given = [one.name for one in inspect.signature(member).parameters.values() if one.kind < one.VAR_POSITIONAL]
    return f"{prefix}{name}({', '.join(given[1:])})"


def test_every_hook_is_told_and_no_other() -> None:
    manager = pluggy.PluginManager("onedoor")
    manager.add_hookspecs(Hooks)
    assert set(vars(manager.hook)) == set(members(Hooks))
    hooks = {told(name, member) for name, member in members(Hooks).items()}
    assert {row for row in ROWS if row.startswith("register")} == hooks


@pytest.mark.parametrize("of", PROTOCOLS, ids=lambda of: of.__name__)
def test_every_method_of_a_protocol_is_told_and_no_other(of: type[Any]) -> None:
    prefix = f"{of.__name__}."
    assert {row for row in ROWS if row.startswith(prefix)} == {
        told(name, member, prefix=prefix) for name, member in members(of).items()
    }


def test_the_page_has_no_capability_that_is_none() -> None:
    known = {of.__name__ for of in PROTOCOLS}
    assert {row.partition(".")[0] for row in ROWS if "." in row} == known


def test_what_is_awaited_and_what_only_maps_is_told_as_it_is() -> None:
    for of in PROTOCOLS[1:]:
        for name, member in members(of).items():
            kind = ROWS[told(name, member, prefix=f"{of.__name__}.")][0]
            assert (kind == "yes") == inspect.iscoroutinefunction(member), name
            assert (kind == "maps") == (name in _MAPPINGS), name


def test_every_error_that_a_plugin_may_raise_is_told() -> None:
    tree = {
        name for name, one in vars(errors).items() if inspect.isclass(one) and issubclass(one, errors.DeliveryError)
    }
    rows = {row for row in ROWS if row.endswith(("Error", "Refused")) and "." not in row}
    assert rows == tree - {"DeliveryError"} | {"InboundRefused"}
    named = set(re.findall(r"`(\w+(?:Error|Refused))`", PAGE))
    assert all(hasattr(errors, name) for name in named)


def test_the_gateway_on_the_page_is_that_of_the_worked_example() -> None:
    """There the linters and both type checkers read it, in their strict modes."""
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert (ROOT / "docs/examples/onedoor-water/onedoor_water/gateway.py").read_text("utf-8") == block
