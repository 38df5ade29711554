"""Where the sample city is. Simulators never import it: they read its folder, as they would read any other site's."""

import importlib.util
from pathlib import Path

from contracts.errors import OnedoorError


class NoSampleError(OnedoorError):
    """There is no sample city in this installation."""


def sample_site() -> Path:
    """The folder of the sample city. Raises NoSampleError."""
    found = importlib.util.find_spec("plugins")
    if found is None or found.origin is None:
        raise NoSampleError("the sample city is not installed here: name a site folder with --site")
    return Path(found.origin).parent
