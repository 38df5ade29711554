"""``onedoor new-plugin --from``: how closely a contract file is followed, and what is said where it cannot be."""

import shutil
import tomllib
from pathlib import Path

import pytest

from contracts.errors import SiteError
from hub.cli import plugins as plugins_command
from plugins.toml_departments import register_departments
from tests.integration.test_new_plugin import OPENAPI, RUN, made, run, trials_pass

ASHES = Path(__file__).parents[1] / "contract_files" / "ashes.wsdl"


def test_a_delivery_id_travels_without_hyphens_where_only_that_fits_and_the_check_says_so(tmp_path: Path) -> None:
    made(tmp_path / "site", "ashes", "--from", ASHES)
    table = tmp_path / "site" / "ashes" / "department.toml"
    assert 'reference = { in = "element", name = "ywlsh", echo = "ywlsh", width = 32 }' in table.read_text("utf-8")
    trials_pass(tmp_path / "site", "ashes")
    table.write_text(table.read_text("utf-8").replace(", width = 32", ""), "utf-8")
    told = "hhsq: the request element ywlsh takes 32 characters, and a delivery id has 36: say width = 32 in reference"
    with pytest.raises(SiteError, match=told):
        register_departments(str(tmp_path / "site"))


def test_a_field_that_holds_no_delivery_id_is_told_with_what_to_do(tmp_path: Path) -> None:
    contract = tmp_path / "ashes.wsdl"
    contract.write_text(ASHES.read_text("utf-8").replace('maxLength value="32"', 'maxLength value="20"'), "utf-8")
    found = run(tmp_path / "site", "ashes", "--from", contract)
    assert isinstance(found.exception, SiteError)
    told = "hhsq: the request element ywlsh takes 20 characters, and a delivery id has 36: have the department widen it"
    assert told in str(found.exception)
    assert not (tmp_path / "site" / "ashes").exists()
    described = tmp_path / "water.yaml"
    described.write_text(OPENAPI.replace("requestId: {type: string}", "requestId: {type: string, maxLength: 20}"))
    made(tmp_path / "site", "water", "--from", described)
    table = (tmp_path / "site" / "water" / "department.toml").read_text("utf-8")
    assert "# DECIDE: 20 characters hold no delivery id, which has 36, or 32 without hyphens" in table


def test_only_what_a_wsdl_imports_and_includes_is_copied_however_deep(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    shutil.copytree(ASHES.parent, theirs)
    schema = theirs / "schemas" / "meter.xsd"
    text = schema.read_text("utf-8")
    end = text.index(">", text.index("<xs:schema")) + 1
    schema.write_text(f'{text[:end]}<xs:include schemaLocation="deep/types.xsd"/>{text[end:]}', "utf-8")
    (schema.parent / "deep").mkdir()
    (schema.parent / "deep" / "types.xsd").write_text(f"{text[:end].replace('/>', '>')}</xs:schema>", "utf-8")
    (schema.parent / "of-another-service.xsd").write_text(text, "utf-8")
    (theirs / "old.xsd").write_text(text, "utf-8")
    made(tmp_path / "site", "meter", "--from", theirs / "meter.wsdl")
    copied = tmp_path / "site" / "meter" / "wsdl"
    names = sorted(one.relative_to(copied).as_posix() for one in copied.rglob("*") if one.is_file())
    assert names == ["meter.wsdl", "schemas/deep/types.xsd", "schemas/meter.xsd"]
    trials_pass(tmp_path / "site", "meter")


def test_an_object_inside_an_object_becomes_fields_with_rows_both_ways(tmp_path: Path) -> None:
    contract = tmp_path / "water.yaml"
    contract.write_text(
        OPENAPI.replace(
            "people: {type: integer}",
            """people: {type: integer}
            tags: {type: array, items: {type: string}}
            agent:
              type: object
              required: [fullName, phone]
              properties:
                fullName: {type: string, maxLength: 50}
                phone: {type: string}
                home: {type: object, properties: {street-name: {type: string}}}""",
        ).replace(
            "contractNo: {type: string}",
            "contract: {type: object, properties: {no: {type: string}, since: {type: string, format: date}}}\n"
            "        notes: {type: array, items: {type: string}}",
        )
    )
    made(tmp_path / "site", "water", "--from", contract)
    table = tomllib.loads((tmp_path / "site" / "water" / "department.toml").read_text("utf-8"))
    (operation,) = table["systems"][0]["operations"]
    assert {"fullName": False, "phone": False, "street-name": False}.items() <= {
        one["name"]: one.get("required", False) for one in operation["request"]
    }.items()
    rows = operation["wire"]["api"]
    assert (rows["request"]["agent.fullName"], rows["request"]["agent.home.street-name"]) == (
        "fullName",
        '"street-name"',
    )
    assert rows["request"]["tags"] == "tags && [tags]"
    assert rows["reply"] == {
        "no": "contract.no",
        "since": "contract.since",
        "notes": "notes && join(', ', map(&to_string(@), [notes][]))",
    }
    trials_pass(tmp_path / "site", "water")
    said = RUN.invoke(
        plugins_command.app,
        ["try", "water", "--case", str(tmp_path / "site/water/samples/WA001.json"), "--site", str(tmp_path / "site")],
    )
    assert '"agent"' in said.output
