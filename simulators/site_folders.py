"""A site as simulators load it: its own folders, and the departments that installed packages bring.

A plugin's Python is never run here. What a package brings is the ``department.toml`` beside the module that its entry point names, as
``onedoor new-plugin --package`` writes it.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path

from contracts.errors import OnedoorError
from contracts.site import Site, load_site

GROUP = "onedoor.plugins"


class NotInstalled(OnedoorError):
    """A site lets in a plugin that is not here; the text says what to do."""


def site_with_packages(root: Path) -> Site:
    """The site with every department that it lets in. Raises SiteError, NotInstalled."""
    site = load_site(root)
    beside = list(packaged_folders(site.plugins).values())
    return load_site(root, beside=beside) if beside else site


def packaged_folders(names: Sequence[str]) -> Mapping[str, Path]:
    """The folder of each plugin that a department.toml describes; a plugin that is Python alone has none. Raises NotInstalled."""
    installed = {point.name: point for point in entry_points(group=GROUP)}
    if missing := [name for name in names if name not in installed]:
        raise NotInstalled(
            f"no installed package offers the plugin {', '.join(missing)}: install it beside onedoor, or take it out of site.toml"
        )
    folders: dict[str, Path] = {}
    for name in names:
        found = importlib.util.find_spec(installed[name].module)
        if found is not None and found.origin is not None:
            folder = Path(found.origin).parent
            if (folder / "department.toml").is_file():
                folders[name] = folder
    return folders
