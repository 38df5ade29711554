"""For every named check a mutant plugin makes exactly that check fail, and the plugins that they are made from pass them all."""

from pathlib import Path

import pytest

from simulators.certify.kit import CHECKS
from tests.conformance.mutants import MUTANTS
from tests.conformance.reference import Mutant, certificate_of, failed, reference, subject_of

REFERENCES = ("AA-register", "BB-list", "CC-service", "DD-list", "DD-columns", "DD-keys", "EE-office")


@pytest.mark.parametrize("name", REFERENCES)
async def test_a_reference_plugin_passes_every_check(name: str) -> None:
    certificate = await certificate_of(reference(name))
    assert failed(certificate) == {}
    assert certificate.grade == "A"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.check}")
async def test_a_mutant_makes_exactly_its_check_fail(mutant: Mutant, tmp_path: Path) -> None:
    found = failed(await certificate_of(subject_of(mutant, tmp_path)))
    assert found.keys() == {mutant.check}, found


def test_every_check_has_a_mutant() -> None:
    assert {one.name for one in CHECKS} - {mutant.check for mutant in MUTANTS} == set()


def test_every_check_has_a_name_of_its_own() -> None:
    names = [one.name for one in CHECKS]
    assert len(names) == len(set(names))
