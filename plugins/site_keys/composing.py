"""JSON Schemas of the files in a site folder, so that an editor completes and checks them while they are written.

They are made of the records of ``contracts``, the protocol tables and file layouts of ``adapters``, the meaning of each key
(``meanings.toml``) and the rules between keys that a schema can express (``rules``). What needs a second file, such as whether a
code list is there, only ``onedoor check`` can tell. Draft 7, since that is what editors of TOML read.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import TypeAdapter

from adapters import file_drop_table, paper_table, rest_table, soap_table
from adapters.record_files import COMPUTED, FORMATS
from contracts import site_files
from contracts.catalogue import Item
from contracts.records import adapter
from plugins.site_keys import rules

Schema: TypeAlias = dict[str, Any]
"""A JSON Schema, or a part of one."""

DIALECT = "http://json-schema.org/draft-07/schema#"

FILES: Mapping[str, tuple[type[Any], str]] = {
    "department": (site_files.DepartmentFile, "<department>/department.toml"),
    "item": (Item, "<department>/items/<code>.toml"),
    "site": (site_files.SiteFile, "site.toml"),
    "calendar": (site_files.CalendarYear, "calendar/<year>.toml"),
    "centres": (site_files.CentresFile, "centres.toml"),
    "codes": (site_files.CodesFile, "codes.toml"),
    "fields": (site_files.FieldsFile, "fields.toml"),
    "materials": (site_files.MaterialsFile, "materials.toml"),
}
"""Schema name -> the record that is read, and the files of a site that are read as it."""

_TABLES: Mapping[str, tuple[type[Any], ...]] = {
    "rest": (rest_table.RestTable, rest_table.RestWire),
    "soap": (soap_table.SoapTable, soap_table.SoapWire),
    "file_drop": (file_drop_table.FileDropTable,),
    "paper": (paper_table.PaperTable, paper_table.WirePaper),
}
"""Protocol -> the tables that its adapter reads in department.toml. Their names are prefixed: ``rest.Auth`` is not ``soap.Auth``."""


def schemas() -> Mapping[str, Schema]:
    """The schema of each kind of file. Raises KeyError for a key that has no meaning yet."""
    return {name: _document(name, of, where) for name, (of, where) in FILES.items()}


def meanings() -> Mapping[str, Mapping[str, str]]:
    """Table -> key -> what it means; ``*`` holds the keys that mean the same everywhere."""
    return tomllib.loads((Path(__file__).parent / "meanings.toml").read_text(encoding="utf-8"))


def _document(name: str, of: type[Any], where: str) -> Schema:
    tables = _parts(of, "")
    if name == "department":
        for protocol, models in _TABLES.items():
            for model in models:
                tables |= _parts(model, f"{protocol}.")
        for format_name, layout in FORMATS.items():
            tables |= _layout(layout, f"{format_name}.")
        rules.join_protocols(tables, list(FORMATS))
    rules.tighten(tables)
    _explain(tables)
    tables.pop("JsonValue", None)
    top = tables.pop(of.__name__)
    head = {"$schema": DIALECT, "title": where}
    return {**head, **top, **({"$defs": dict(sorted(tables.items()))} if tables else {})}


def _parts(of: type[Any], prefix: str) -> dict[str, Schema]:
    """The table of ``of`` and every table in it, by prefixed name."""
    made: TypeAdapter[Any] = adapter(of)
    whole = made.json_schema(ref_template="#/$defs/" + prefix + "{model}")
    parts = {prefix + name: part for name, part in whole.pop("$defs", {}).items()}
    return {name: _plain(part) for name, part in {prefix + of.__name__: whole, **parts}.items()}


def _layout(of: type[Any], prefix: str) -> dict[str, Schema]:
    """The ``record`` table of one file format: without what is computed, and the tables that only this would need."""
    tables = _parts(of, prefix)
    top = tables[prefix + of.__name__]
    top["properties"] = {name: part for name, part in top["properties"].items() if name not in COMPUTED}
    top["required"] = [name for name in top.get("required", ()) if name not in COMPUTED]
    used = set(_referred(top))
    return {name: part for name, part in tables.items() if part is top or name in used}


def _referred(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"].removeprefix("#/$defs/")
        for below in part.values():
            yield from _referred(below)
    elif isinstance(part, list):
        for below in part:
            yield from _referred(below)


def _plain(part: Any) -> Any:
    """Without what TOML does not have (null), what repeats the key (titles), and in the words of draft 7."""
    if isinstance(part, list):
        return [_plain(one) for one in part]
    if not isinstance(part, dict):
        return part
    made = {name: _plain(value) for name, value in part.items() if name not in ("title", "discriminator")}
    if made.get("default", ...) is None or isinstance(made.get("default"), dict):
        del made["default"]
    if "prefixItems" in made:
        made["items"] = made.pop("prefixItems")
    if isinstance(part.get("anyOf"), list) and {"type": "null"} in part["anyOf"]:
        rest = [one for one in made.pop("anyOf") if one != {"type": "null"}]
        made |= rest[0] if len(rest) == 1 else {"anyOf": rest}
    if made.get("$ref") == "#/$defs/JsonValue" or str(made.get("$ref", "")).endswith(".JsonValue"):
        del made["$ref"]
    return made


def _explain(tables: Mapping[str, Schema]) -> None:
    told = meanings()
    for name, table in tables.items():
        for key, part in table.get("properties", {}).items():
            meaning = told.get(name, {}).get(key) or told["*"].get(key)
            if meaning is None:
                raise KeyError(f"meanings.toml says nothing about {key} of {name}")
            if "$ref" in part:  # beside a reference, draft 7 reads nothing else
                part["allOf"] = [{"$ref": part.pop("$ref")}]
            part["description"] = meaning


def schema_files() -> Mapping[str, str]:
    """The schemas as the files that lie in the folder ``schemas`` of a site."""
    return {
        f"{name}.json": json.dumps(schema, ensure_ascii=False, indent=1) + "\n" for name, schema in schemas().items()
    }


def write_schemas(site: Path) -> Path:
    """Write them into the site; returns their folder."""
    folder = site / "schemas"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schema_files().items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder
