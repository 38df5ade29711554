"""Tools that are no Python packages. A missing one fails its tests, and never skips them: the line says what to install."""

import shutil
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parents[2] / ".ci/packages.txt"


def tool(command: str, package: str) -> Path:
    """The path of a command. ``package``: the Debian package that brings it, one of ``.ci/packages.txt``."""
    found = shutil.which(command)
    if found is None:
        pytest.fail(f"{command} is missing: apt-get install {package}, or run .ci/run", pytrace=False)
    return Path(found)


@pytest.fixture(scope="session")
def strace() -> Path:
    """Shows and changes the system calls of a process."""
    return tool("strace", "strace")


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Checks an exposition, alert rules and the tests of alert rules."""
    return tool("promtool", "prometheus")


@pytest.fixture(scope="session")
def faketime() -> Path:
    """The library that gives a process another wall clock."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        pytest.fail("libfaketime is missing: apt-get install faketime, or run .ci/run", pytrace=False)
    return found[0]


@pytest.fixture(scope="session")
def unshare() -> Path:
    """Starts a process with mounts of its own."""
    return tool("unshare", "util-linux")


@pytest.fixture(scope="session")
def systemd_analyze() -> Path:
    """Judges a unit file, without a running systemd."""
    return tool("systemd-analyze", "systemd")


@pytest.fixture(scope="session")
def setpriv() -> Path:
    """Starts a process with fewer rights."""
    return tool("setpriv", "util-linux")
