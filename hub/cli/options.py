"""Options that several commands share, and the settings that they lead to."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hub.settings import Settings, load_settings

SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="The settings file; ./onedoor.toml where there is one.")
]
Demo = Annotated[bool, typer.Option("--demo", help="Take a demo key: for made-up cases only.")]
SiteFolder = Annotated[Path | None, typer.Option("--site", help="The folder that configures the city.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]

DEFAULT_FILE = Path("onedoor.toml")


def settings_from(file: Path | None, *, demo: bool = False, **overrides: Any) -> Settings:
    """The settings of a command. ``overrides`` that are None do not count. Raises SettingsRefused.

    A demo key is taken only where the command line says so, whatever file and environment say.
    """
    if file is None and DEFAULT_FILE.exists():
        file = DEFAULT_FILE
    given = {name: value for name, value in overrides.items() if value is not None}
    return load_settings(file, **given).model_copy(update={"allow_demo_keys": demo})
