"""What ``onedoor new-plugin`` writes conforms as it is written: of a situation alone, and of contract files with nested and repeated parts."""

from pathlib import Path
from shutil import copytree

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


async def conforms(site: Path, *beginning: str) -> None:
    """Write a department and certify it, with nothing changed in between."""
    written = CliRunner().invoke(app, ["fresh", *beginning, "--site", str(site)])
    assert written.exit_code == 0, written.output
    (subject,) = chosen(subjects(site), "fresh")
    certificate = await certificate_of(subject)
    assert failed(certificate) == {}
    assert certificate.grade == "A"


@pytest.mark.parametrize("beginning", BEGINNINGS, ids=lambda one: Path(one[1]).name)
async def test_a_new_department_conforms_before_anybody_has_touched_it(
    beginning: tuple[str, str], tmp_path: Path
) -> None:
    await conforms(tmp_path / "site", *beginning)


async def test_a_wsdl_whose_request_has_a_part_with_parts_conforms_too(tmp_path: Path) -> None:
    files = copytree(FILES, tmp_path / "files")
    schema = files / "schemas" / "meter.xsd"
    plain = '<xs:element name="people" type="xs:int" minOccurs="0"/>'
    text = schema.read_text("utf-8")
    assert plain in text
    schema.write_text(text.replace(plain, '<xs:element name="before" type="t:Contract"/>'), "utf-8")
    await conforms(tmp_path / "site", "--from", str(files / "meter.wsdl"))
