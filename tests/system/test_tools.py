"""The packages that a build machine installs are those that the tests ask for."""

import re

from tests.system.conftest import PACKAGES


def test_every_package_names_the_environment_that_needs_it() -> None:
    lines = [line for line in PACKAGES.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert lines
    assert all(re.fullmatch(r"[a-z0-9.+-]+ +# (system|departments|browser): .+", line) for line in lines)
