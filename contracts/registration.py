"""What the plugins of a site register: the one way in which the hub and the conformance kit load them.

Each plugin is called on its own: one that fails takes nobody with it.
"""

import importlib.metadata
import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path

import pluggy

from contracts.catalogue import Item
from contracts.errors import OnedoorError, SiteError
from contracts.plugin import Department, Hooks, System
from contracts.records import record

MISTAKES = (Exception, SystemExit)
"""What a plugin may do wrong while it is loaded; Ctrl-C is the operator's."""

GROUP = "onedoor.plugins"
"""The entry points of plugins."""

OUR_NAMES = ("contracts", "adapters", "plugins", "hub", "simulators")


class PluginsRefused(OnedoorError):
    """The plugins cannot work together; the text names them."""


@record
class Registered:
    """What all plugins registered. ``broken``: plugin name -> one sentence."""

    departments: tuple[Department, ...]
    broken: Mapping[str, str]

    @property
    def systems(self) -> dict[str, System]:
        """By name."""
        return {system.name: system for department in self.departments for system in department.systems}

    @property
    def items(self) -> tuple[Item, ...]:
        """All items of all departments."""
        return tuple(item for department in self.departments for item in department.items)


def registered(site: Path, allowed: Iterable[str] = ()) -> Registered:
    """Load the built-in plugin and the allowed ones, and ask each for its departments.

    Raises SiteError for mistakes in the site folder, PluginsRefused when two claim one name or a hook is misspelt.
    """
    refuse_foreign_owners()
    manager = pluggy.PluginManager("onedoor")
    manager.add_hookspecs(Hooks)
    broken: dict[str, str] = {}
    wanted = {"toml", *allowed}
    installed = {entry.name for entry in importlib.metadata.entry_points(group=GROUP)}
    broken.update(
        dict.fromkeys(sorted(wanted - installed), "is not installed: install it, or take it out of site.toml")
    )
    for entry in importlib.metadata.entry_points(group=GROUP):
        if entry.name in wanted:
            try:
                manager.register(entry.load(), name=entry.name)
            except MISTAKES as error:  # an import that fails, or wants to end us, concerns that plugin alone
                broken[entry.name] = f"cannot be imported: {type(error).__name__}"
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginsRefused(f"plugin {error.plugin}: {error}: see the hook list") from error
    departments: list[Department] = []
    for name, _ in manager.list_name_plugin():
        others = [other for other_name, other in manager.list_name_plugin() if other_name != name]
        caller = manager.subset_hook_caller("register_departments", remove_plugins=others)
        try:
            departments.extend(_departments(caller(site=str(site))))
        except SiteError:
            raise
        except MISTAKES as error:  # whatever a plugin raises concerns that plugin alone
            broken[name] = f"failed to register: {type(error).__name__}"
    _refuse_doubles(departments)
    return Registered(departments=tuple(departments), broken=broken)


def _departments(answers: Iterable[Iterable[object]]) -> list[Department]:
    """What one plugin registered. Raises TypeError for anything that is no department."""
    found: list[Department] = []
    for department in itertools.chain.from_iterable(answers):
        if not isinstance(department, Department):
            raise TypeError(f"{type(department).__name__} is no department")
        found.append(department)
    return found


def refuse_foreign_owners() -> None:
    """Start-up fails if another distribution owns one of our top-level names. Raises PluginsRefused."""
    owners = importlib.metadata.packages_distributions()
    for name in OUR_NAMES:
        foreign = set(owners.get(name, ())) - {"onedoor"}
        if foreign:
            raise PluginsRefused(
                f"the package name {name} is also owned by {', '.join(sorted(foreign))}: uninstall that"
            )


def _refuse_doubles(departments: Iterable[Department]) -> None:
    owners: dict[str, str] = {}
    codes = [department.code for department in departments]
    twice = sorted({code for code in codes if codes.count(code) > 1})
    if twice:
        raise PluginsRefused(f"department {', '.join(twice)} is registered by two plugins: remove one of them")
    for department in departments:
        for system in department.systems:
            if system.name in owners:
                raise PluginsRefused(
                    f"system {system.name} is claimed by department {owners[system.name]} and by {department.code}:"
                    " remove one of them"
                )
            owners[system.name] = department.code
