"""JSON Schemas of the records that cross a boundary, for those who do not write Python.

``python -m contracts.schema`` writes ``schemas/*.json`` and ``schemas/openapi.yaml``; a test keeps them equal to the records.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import JsonValue, TypeAdapter

from contracts import api, envelope, paper_api
from contracts.openapi import openapi_document
from contracts.records import adapter
from contracts.yaml_text import yaml_text

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path(__file__).parent / "schemas"
Schema: TypeAlias = dict[str, JsonValue]
Mode: TypeAlias = Literal["validation", "serialization"]

MESSAGES: tuple[type[Any], ...] = (
    envelope.Envelope,
    envelope.CaseApplication,
    envelope.CaseEvent,
    envelope.TaskCompletion,
)
"""What others write and we read."""

ANSWERS: tuple[type[Any], ...] = (
    api.Receipt,
    api.LineVerdict,
    api.MaterialReceipt,
    api.CaseView,
    api.TaskList,
    api.Problem,
    paper_api.HandoverView,
    paper_api.HandoverLists,
    paper_api.TakenIn,
    paper_api.ScanView,
    paper_api.ScanList,
)
"""What we write and others read."""


def schema_files() -> Mapping[str, str]:
    """Every generated file by its name."""
    modes: tuple[tuple[tuple[type[Any], ...], Mode], ...] = ((MESSAGES, "validation"), (ANSWERS, "serialization"))
    files: dict[str, str] = {}
    for types, mode in modes:
        for of in types:
            name = re.sub(r"(?<!^)(?=[A-Z])", "_", of.__name__).lower()
            schema = _wired(adapter(of).json_schema(mode=mode), top=of is envelope.Envelope)
            files[f"{name}.json"] = json.dumps({"$schema": DIALECT, **schema}, ensure_ascii=False, indent=2) + "\n"
    files["openapi.yaml"] = yaml_text(openapi_document(_components()))
    return files


def write_schemas(folder: Path = FOLDER) -> None:
    """Write every generated file into ``folder``."""
    folder.mkdir(exist_ok=True)
    for name, text in schema_files().items():
        (folder / name).write_text(text, encoding="utf-8")


def _components() -> Schema:
    """The schemas that the API document refers to, by name."""
    messages: tuple[type[Any], ...] = (
        envelope.Envelope,
        envelope.CaseApplication,
        envelope.CaseEvent,
        envelope.TaskCompletion,
        paper_api.PrintRequest,
        paper_api.HandoverRequest,
        paper_api.HandingOver,
        paper_api.HandoverNote,
        paper_api.TakingIn,
        paper_api.ScanNote,
    )
    modes: Mapping[Mode, tuple[type[Any], ...]] = {"validation": messages, "serialization": ANSWERS}
    wanted: list[tuple[str, Mode, TypeAdapter[Any]]] = [
        (of.__name__, mode, adapter(of)) for mode, types in modes.items() for of in types
    ]
    _, defs = TypeAdapter.json_schemas(wanted, ref_template="#/components/schemas/{model}")
    schemas: Schema = defs["$defs"]
    return {name: _wired(schema, top=name == "Envelope") for name, schema in sorted(schemas.items())}


def _wired(schema: Any, *, top: bool) -> Any:
    """The schema of what is on the wire: a CloudEvent carries its extension attributes beside the others."""
    if not top:
        return schema
    properties = {name: value for name, value in schema["properties"].items() if name != "extensions"}
    return {
        **schema,
        "properties": properties,
        "additionalProperties": {"type": ["string", "integer", "boolean"]},
        "propertyNames": {"pattern": "^[a-z0-9]{1,20}$"},
        "required": [*schema["required"], "specversion"],
    }


if __name__ == "__main__":
    write_schemas()
