"""``onedoor new-plugin``: what it writes passes its checks at once, whatever it was made from."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adapters.contract_dialect import snake
from contracts.errors import OnedoorError, SiteError
from hub.cli import plugins as plugins_command
from plugins.scaffold.command import app
from plugins.toml_departments import register_departments, sample_site
from tests.site_schemas import mistakes_told_by_the_schema

RUN = CliRunner()
ONEDOOR = Path(sys.executable).with_name("onedoor")
WSDLS = sorted(sample_site().glob("*/wsdl/*.wsdl"))
OPAQUE = {"RS-labour.wsdl", "GA-hukou.wsdl"}
"""One text travels inside another: nothing in the WSDL says how it went."""

OPENAPI = """
openapi: 3.1.0
info: {title: 自来水服务, version: "1"}
servers: [{url: "https://water.invalid/api/v2"}]
components:
  securitySchemes: {token: {type: http, scheme: bearer}}
  schemas:
    Base: {type: object, properties: {requestId: {type: string}}, required: [requestId]}
    Transfer:
      allOf:
        - $ref: "#/components/schemas/Base"
        - type: object
          required: [xm, sfzh, meterNo, useKind]
          properties:
            xm: {type: string, maxLength: 50, description: 户主姓名}
            sfzh: {type: string, maxLength: 18}
            meterNo: {type: string, maxLength: 12, description: 水表编号}
            useKind: {type: string, enum: [home, shop], description: 用水性质}
            people: {type: integer}
            since: {type: string, format: date}
            members: {type: array, items: {type: object, properties: {fullName: {type: string}, age: {type: integer}}}}
    Answer:
      type: object
      properties:
        requestId: {type: string}
        resultCode: {type: string, enum: [OK, REJECTED, BUSY, X17]}
        contractNo: {type: string}
paths:
  /transfers:
    post:
      operationId: transferMeter
      summary: 水表过户
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Transfer"}}}}
      responses: {"200": {content: {application/json: {schema: {$ref: "#/components/schemas/Answer"}}}}}
  /ping: {get: {responses: {"200": {description: pong}}}}
"""
LAYOUT = """record,part,name,type,width,required,label,codes
GH01,request,XM,string,40,yes,姓名,
GH01,request,SFZH,string,18,yes,身份证号,
GH01,request,LB,code,2,yes,类别,01|02
GH01,request,JE,money,12,no,金额,
GH01,reply,JGDM,string,2,yes,结果代码,00|10|20|99
GH01,reply,PZH,string,20,no,凭证号,
"""


def run(site: Path, *arguments: str | Path) -> Result:
    return RUN.invoke(app, [*map(str, arguments), "--site", str(site)])


def made(site: Path, *arguments: str | Path) -> str:
    found = run(site, *arguments)
    assert found.exit_code == 0, (found.output, found.exception)
    return found.output


def refused(site: Path, *arguments: str | Path) -> str:
    found = run(site, *arguments)
    assert isinstance(found.exception, OnedoorError), found.output
    return str(found.exception)


def trials_pass(site: Path, name: str) -> None:
    """Every sample case of the department is mapped to bytes, its form refuses none, and an editor has no complaint."""
    for file in (site / name).rglob("*.toml"):
        assert mistakes_told_by_the_schema(file) == []
    for case in sorted((site / name / "samples").glob("*.json")):
        found = RUN.invoke(plugins_command.app, ["try", name, "--case", str(case), "--site", str(site), "--json"])
        assert found.exit_code == 0, (case.name, found.output, found.exception)
        told = json.loads(found.output)
        assert told["form"] == []
        assert all(one["sent"] for one in told["trials"])


@pytest.mark.parametrize("situation", ["api", "file_drop", "paper"])
def test_a_department_from_nothing_but_its_situation_passes_at_once(tmp_path: Path, situation: str) -> None:
    said = made(tmp_path / "site", "water", "--situation", situation)
    (department,) = register_departments(str(tmp_path / "site"))
    assert (department.code, [one.name for one in department.systems]) == ("WA", ["WA-water"])
    assert [one.situation.value for one in department.systems[0].channels] == [situation]
    trials_pass(tmp_path / "site", "water")
    marks = sum(text.count("# DECIDE") for text in read(tmp_path / "site" / "water").values())
    told = re.search(r"(\d+) lines are marked", said)
    assert told is not None
    assert 1 <= int(told[1]) == marks


def read(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.rglob("*.toml")}


@pytest.mark.parametrize("wsdl", [one for one in WSDLS if one.name not in OPAQUE], ids=lambda one: one.stem)
def test_a_wsdl_becomes_a_department_whose_every_operation_can_be_tried(tmp_path: Path, wsdl: Path) -> None:
    made(tmp_path / "site", "water", "--from", wsdl)
    (department,) = register_departments(str(tmp_path / "site"))
    assert department.systems[0].operations
    assert (tmp_path / "site" / "water" / "wsdl" / wsdl.name).read_bytes() == wsdl.read_bytes()
    trials_pass(tmp_path / "site", "water")


@pytest.mark.parametrize("name", sorted(OPAQUE))
def test_a_contract_whose_answers_cannot_be_believed_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    wsdl = next(one for one in WSDLS if one.name == name)
    assert "says how it went" in refused(tmp_path / "site", "water", "--from", wsdl)
    assert not (tmp_path / "site" / "water").exists()


def test_a_department_that_can_only_say_yes_is_told_what_its_contract_file_lacks(tmp_path: Path) -> None:
    layout = tmp_path / "layout.csv"
    layout.write_text("record,part,name,codes\nA1,request,XM,\nA1,reply,JGDM,00|99\n")
    assert "codes are 00, 99, and none of them can mean completed.refused" in refused(
        tmp_path / "site", "water", "--from", layout
    )
    assert not (tmp_path / "site" / "water").exists()


def test_a_record_layout_gives_the_code_its_width_and_without_it_the_check_says_so(tmp_path: Path) -> None:
    made(tmp_path / "site", "quakes", "--from", Path(__file__).parents[1] / "contract_files" / "quakes.csv")
    table = tmp_path / "site" / "quakes" / "department.toml"
    assert 'reference = { name = "YWLSH", width = 32 }' in table.read_text("utf-8")
    assert "code_width = 4, " in table.read_text("utf-8")
    table.write_text(table.read_text("utf-8").replace("code_width = 4, ", ""), "utf-8")
    with pytest.raises(SiteError, match=r"the result code 0000 is longer than back\.code_width, which is 2"):
        register_departments(str(tmp_path / "site"))


def test_a_column_of_one_byte_has_a_sample_value_that_fits(tmp_path: Path) -> None:
    layout = tmp_path / "layout.csv"
    layout.write_text("record,part,name,width,codes\nA1,request,XM,40,\nA1,request,KIND,1,\nA1,reply,JGDM,2,00|10\n")
    made(tmp_path / "site", "water", "--from", layout)
    trials_pass(tmp_path / "site", "water")


def test_a_result_that_only_its_codes_give_away_is_marked(tmp_path: Path) -> None:
    layout = tmp_path / "layout.csv"
    layout.write_text("record,part,name,codes\nA1,request,XM,\nA1,reply,FKBZ,0000|0001|E1\nA1,reply,BZ,\n")
    made(tmp_path / "site", "water", "--from", layout)
    table = (tmp_path / "site" / "water" / "department.toml").read_text()
    assert 'result_field = "FKBZ" # DECIDE: the only field of an answer whose values are listed' in table


def test_an_openapi_file_gives_operations_types_codes_and_the_way_in(tmp_path: Path) -> None:
    contract = tmp_path / "water.yaml"
    contract.write_text(OPENAPI)
    made(tmp_path / "site", "water", "--from", contract)
    table = tomllib.loads((tmp_path / "site" / "water" / "department.toml").read_text())
    (system,) = table["systems"]
    rest = system["channels"][0]["rest"]
    assert rest["base_path"] == "/api/v2"
    assert rest["auth"] == {"kind": "bearer", "secrets": ["water_token"]}
    assert rest["reference"] == {"in": "body", "name": "requestId", "echo": "requestId"}
    codes = system["result_codes"]["decide"]["api"]
    assert {code: one["outcome"] for code, one in codes.items()} == {
        "OK": "completed.granted",
        "REJECTED": "completed.refused",
        "BUSY": "temporary",
        "X17": "permanent",
    }
    (operation,) = system["operations"]
    fields = {one["name"]: (one["source"], one["type"]) for one in operation["request"]}
    assert fields == {
        "xm": ("applicant.name", "string"),
        "sfzh": ("applicant.id_no", "string"),
        "meterNo": ("form.meter_no", "string"),
        "useKind": ("form.use_kind", "code"),
        "people": ("form.people", "int"),
        "since": ("form.since", "date"),
        "members": ("form.members", "table"),
    }
    assert "# DECIDE: where it comes from" in (tmp_path / "site" / "water" / "department.toml").read_text()
    lists = tomllib.loads((tmp_path / "site" / "codes.toml").read_text())["lists"]
    assert [one["code"] for one in lists["water_use_kind"]["codes"]] == ["home", "shop"]
    trials_pass(tmp_path / "site", "water")


@pytest.mark.parametrize("width", [True, False])
def test_a_record_layout_gives_a_file_exchange(tmp_path: Path, width: bool) -> None:
    rows = [line.split(",") for line in LAYOUT.splitlines()]
    lines = [",".join(row if width or number == 0 else [*row[:4], "", *row[5:]]) for number, row in enumerate(rows)]
    contract = tmp_path / "layout.csv"
    contract.write_text("\n".join(lines) + "\n")
    made(tmp_path / "site", "union", "--from", contract)
    table = tomllib.loads((tmp_path / "site" / "union" / "department.toml").read_text())
    (system,) = table["systems"]
    assert system["channels"][0]["file_drop"]["format"] == ("fixed" if width else "csv")
    assert set(system["result_codes"]["decide"]["file_drop"]) == {"00", "10", "20", "99"}
    trials_pass(tmp_path / "site", "union")


def test_a_sheet_can_be_made_of_any_contract_file(tmp_path: Path) -> None:
    contract = tmp_path / "water.yaml"
    contract.write_text(OPENAPI)
    made(tmp_path / "site", "water", "--situation", "paper", "--from", contract)
    trials_pass(tmp_path / "site", "water")


def test_a_second_department_joins_the_site_under_a_code_of_its_own(tmp_path: Path) -> None:
    made(tmp_path / "site", "water", "--situation", "api")
    made(tmp_path / "site", "waste", "--situation", "paper")
    assert [one.code for one in register_departments(str(tmp_path / "site"))] == ["WAS", "WA"]


def test_a_site_that_has_no_schemas_yet_gets_them(tmp_path: Path) -> None:
    made(tmp_path / "site", "water", "--situation", "api")
    shutil.rmtree(tmp_path / "site" / "schemas")
    made(tmp_path / "site", "waste", "--situation", "paper")
    assert mistakes_told_by_the_schema(tmp_path / "site" / "waste" / "department.toml") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Water", "--situation", "api"], "small letters"),
        (["water"], "say how the department is reached"),
        (["water", "--from", "nowhere.wsdl"], "there is no contract file"),
        (["water", "--from", "notes.txt"], "give a .wsdl"),
        (["water", "--from", "empty.yaml"], "no OpenAPI document"),
        (["water", "--from", "far.yaml"], "put that into the document itself"),
        (["water", "--from", "broken.wsdl"], "not readable as XML"),
        (["water", "--from", "bad.csv"], "row 2: no type strin: did you mean string?"),
        (["water", "--from", "half.csv"], "in every row"),
        (["water", "--from", "good.yaml", "--situation", "file_drop"], "say --situation api"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "notes.txt": "x",
        "empty.yaml": "a: 1\n",
        "broken.wsdl": "<definitions",
        "bad.csv": "record,part,name,type\nA,request,XM,strin\n",
        "half.csv": "record,part,name,width\nA,request,XM,10\nA,reply,JGDM,\n",
        "good.yaml": OPENAPI,
        "far.yaml": OPENAPI.replace("#/components/schemas/Answer", "other.yaml#/Answer"),
    }.items():
        (tmp_path / name).write_text(text)
    assert said in refused(tmp_path / "site", *arguments)
    assert not (tmp_path / "site" / "water").exists()


@pytest.mark.parametrize("kind", ["api", "wsdl"])
def test_a_package_installs_and_passes_its_own_tests(tmp_path: Path, kind: str) -> None:
    """As its author would do it: build, install, run the tests that were written with it."""
    wsdl = next(one for one in WSDLS if one.name == "YB-insurance.wsdl")
    said = made(tmp_path, "sewage", "--package", *(["--from", wsdl] if kind == "wsdl" else ["--situation", kind]))
    assert "pip install --editable" in said
    folder, installed = tmp_path / "onedoor-sewage", tmp_path / "installed"
    for file in (folder / "onedoor_sewage").rglob("*.toml"):
        assert mistakes_told_by_the_schema(file) == []
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([sys.executable, *install, "--target", str(installed), str(folder)], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_a_folder_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    made(tmp_path / "site", "water", "--situation", "api")
    before = read(tmp_path / "site" / "water")
    assert "is there already" in refused(tmp_path / "site", "water", "--situation", "paper")
    assert read(tmp_path / "site" / "water") == before


def test_a_department_that_would_not_pass_is_taken_back_with_its_lists(tmp_path: Path) -> None:
    """A result field inside the request of a fixed-width record has no place: whatever the reason, nothing is left behind."""
    made(tmp_path / "site", "water", "--situation", "api")
    lists = (tmp_path / "site" / "codes.toml").read_bytes()
    contract = tmp_path / "layout.csv"
    contract.write_text(LAYOUT.replace("GH01,request,JE,money,12", "GH01,request,XM,money,12"))
    found = run(tmp_path / "site", "union", "--from", contract)
    assert isinstance(found.exception, SiteError), found.output
    assert (tmp_path / "site" / "codes.toml").read_bytes() == lists
    assert not (tmp_path / "site" / "union").exists()


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("meterNo", "meter_no"), ("METER_NO", "meter_no"), ("水表", "f_"), ("2nd", "f_2nd"), ("XM", "xm")],
)
def test_their_names_become_names_of_ours(theirs: str, ours: str) -> None:
    assert snake(theirs) == ours
