"""What ``onedoor new-plugin`` writes conforms as it is written: of a situation alone, and of contract files with nested and repeated parts."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from plugins.scaffold.command import app
from simulators.certify.subject import chosen, subjects
from tests.conformance.reference import certificate_of, failed

FILES = Path(__file__).parents[1] / "contract_files"
BEGINNINGS = [
    ("--situation", "api"),
    ("--situation", "file_drop"),
    ("--situation", "paper"),
    ("--from", str(FILES / "meter.wsdl")),
    ("--from", str(FILES / "waste.yaml")),
    ("--from", str(FILES / "heating.csv")),
]


@pytest.mark.parametrize("beginning", BEGINNINGS, ids=lambda one: Path(one[1]).name)
async def test_a_new_department_conforms_before_anybody_has_touched_it(
    beginning: tuple[str, str], tmp_path: Path
) -> None:
    written = CliRunner().invoke(app, ["fresh", *beginning, "--site", str(tmp_path / "site")])
    assert written.exit_code == 0, written.output
    (subject,) = chosen(subjects(tmp_path / "site"), "fresh")
    certificate = await certificate_of(subject)
    assert failed(certificate) == {}
    assert certificate.grade == "A"
