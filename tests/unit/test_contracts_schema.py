"""The generated files equal the records, and mean what the records mean."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from openapi_spec_validator.readers import read_from_filename
from pydantic import JsonValue

from contracts.catalogue import RULES
from contracts.schema import FOLDER, schema_files, write_schemas
from contracts.yaml_text import yaml_text

OPENAPI = FOLDER / "openapi.yaml"


def openapi() -> Mapping[str, Any]:
    document, _ = read_from_filename(str(OPENAPI))
    return document


def test_the_files_in_the_package_equal_what_the_records_give() -> None:
    """If this fails, run ``python -m contracts.schema`` and commit what it wrote."""
    assert {path.name: path.read_text("utf-8") for path in FOLDER.iterdir()} == dict(schema_files())


def test_writing_them_gives_the_same_files_again(tmp_path: Path) -> None:
    write_schemas(tmp_path / "schemas")
    assert {path.name for path in (tmp_path / "schemas").iterdir()} == {path.name for path in FOLDER.iterdir()}


@pytest.mark.parametrize("name", [name for name in schema_files() if name.endswith(".json")])
def test_every_schema_is_a_schema_of_the_2020_dialect(name: str) -> None:
    Draft202012Validator.check_schema(json.loads((FOLDER / name).read_text("utf-8")))


def test_the_schema_of_an_envelope_is_that_of_the_wire() -> None:
    check = Draft202012Validator(json.loads((FOLDER / "envelope.json").read_text("utf-8")))
    event = {"specversion": "1.0", "id": "1", "source": "urn:s", "type": "t", "data": {}, "traceparent": "00-1"}
    assert check.is_valid(event)
    assert not check.is_valid(event | {"Trace-Parent": "x"})
    assert not check.is_valid(event | {"nested": {}})
    assert not check.is_valid({"id": "1", "source": "urn:s", "type": "t"})


def test_the_api_document_is_valid_openapi() -> None:
    validate(openapi())


def test_the_api_document_names_every_path() -> None:
    assert {path: set(methods) for path, methods in openapi()["paths"].items()} == {
        "/v1/cases": {"post"},
        "/v1/cases/batch": {"post"},
        "/v1/materials": {"post"},
        "/v1/cases/{case_no}/events": {"post"},
        "/v1/cases/{case_no}": {"get"},
        "/v1/tasks": {"get"},
        "/v1/tasks/{id}/complete": {"post"},
        "/v1/tasks/{id}/print": {"post"},
        "/v1/tasks/print": {"post"},
        "/v1/handovers": {"get", "post"},
        "/v1/handovers/in": {"post"},
        "/v1/handovers/{number}": {"get"},
        "/v1/handovers/{number}/print": {"post"},
        "/v1/handovers/{number}/out": {"post"},
        "/v1/handovers/{number}/lost": {"post"},
        "/v1/handovers/{number}/cancel": {"post"},
        "/v1/scans": {"get", "post"},
        "/v1/scans/{id}": {"get"},
        "/v1/scans/{id}/file": {"get"},
        "/v1/scans/{id}/pages/{page}": {"get", "post"},
        "/v1/callbacks/{system}": {"post"},
        "/healthz": {"get"},
        "/readyz": {"get"},
        "/metrics": {"get"},
    }


def test_a_case_may_come_in_both_modes_of_cloudevents() -> None:
    call = openapi()["paths"]["/v1/cases"]["post"]
    assert set(call["requestBody"]["content"]) == {"application/cloudevents+json", "application/json"}
    assert {"ce-id", "ce-source", "ce-type", "ce-specversion"} <= {header["name"] for header in call["parameters"]}


def test_only_callbacks_and_probes_go_without_our_key() -> None:
    document = openapi()
    assert document["security"] == [{"key": []}]
    open_to_all = {
        path for path, methods in document["paths"].items() for call in methods.values() if call.get("security") == []
    }
    assert open_to_all == {"/v1/callbacks/{system}", "/healthz", "/readyz", "/metrics"}


def test_every_error_is_a_problem_and_overload_says_when_to_come_back() -> None:
    responses = openapi()["components"]["responses"]
    assert all(list(response["content"]) == ["application/problem+json"] for response in responses.values())
    assert {name for name, response in responses.items() if "Retry-After" in response.get("headers", {})} == {
        "Error429",
        "Error503",
    }


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")) | st.just("\n"))


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | TEXT
        | st.sampled_from(["yes", "No", "null", "1.0", "a: b", "a #b", "- a", "{", "'", "|"]),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
        max_leaves=12,
    )
)
def test_yaml_is_read_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, value: JsonValue) -> None:
    path = tmp_path_factory.mktemp("yaml") / "value.yaml"
    path.write_text(yaml_text({"value": value}), encoding="utf-8")
    assert read_from_filename(str(path))[0] == {"value": value}


def test_yaml_keeps_several_lines_as_a_block() -> None:
    assert yaml_text({"says": "one\n\n  two"}) == "says: |-\n  one\n\n    two\n"


def test_the_page_of_rules_has_exactly_the_rules() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/validators.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE)) == set(RULES)
