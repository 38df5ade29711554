"""What is installed is what the checkout holds: every data file, every command, and nobody else's names."""

import importlib
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PACKAGES = ("contracts", "adapters", "plugins", "hub", "simulators")


def files_of(package: str) -> set[str]:
    """Paths below a package in the checkout, without what tools leave behind."""
    root = CHECKOUT / package
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and p.suffix != ".pyc"}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_installed_package_holds_every_file_of_its_folder(package: str) -> None:
    installed = Path(str(importlib.import_module(package).__file__)).parent
    missing = {name for name in files_of(package) if not (installed / name).is_file()}
    assert not missing


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_tells_type_checkers_that_it_is_typed(package: str) -> None:
    assert "py.typed" in files_of(package)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_distribution_owns_one_of_our_names(package: str) -> None:
    # An editable installation lists no files, so its names belong to nobody.
    assert set(packages_distributions().get(package, ["onedoor"])) == {"onedoor"}


@pytest.mark.parametrize("group", ["console_scripts", "onedoor.plugins", "onedoor.commands"])
def test_every_entry_point_leads_somewhere(group: str) -> None:
    points = distribution("onedoor").entry_points.select(group=group)
    assert points
    for point in points:
        assert point.load() is not None
