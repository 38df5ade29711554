"""An OpenAPI document, as far as a new plugin needs it: the operations that take a JSON object.

References are followed within the document only; nothing is fetched.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from adapters.contract_dialect import reference_of, result_of
from adapters.contract_outline import DEEPEST_PART, Outline, OutlineField, OutlineOperation, OutlineRefused, apart
from contracts.catalogue import FieldType

_METHODS = ("post", "put", "patch")
_DEEPEST = 12
_TYPES: Mapping[tuple[str, str], FieldType] = {
    ("integer", ""): "int",
    ("number", ""): "decimal",
    ("boolean", ""): "bool",
    ("string", "date"): "date",
}


class _Yaml(yaml.SafeLoader):
    """Reads YAML 1.2, as OpenAPI has it: ``no`` and ``on`` are names, and a date is a text (PyYAML reads 1.1)."""


_YAML_1_1 = {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"}
_Yaml.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag not in _YAML_1_1]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Yaml.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def outline(file: Path) -> Outline:
    """Operations of POST, PUT and PATCH. Raises OutlineRefused."""
    read = read_document(file)
    operations = tuple(read.operations())
    root = read.root
    info = root.get("info") or {}
    facts = {"auth": _auth(root)}
    if enquire_path := read.enquire_path(operations):
        facts["enquire_path"] = enquire_path
    return Outline(
        protocol="rest",
        title=str(info.get("title") or file.stem),
        base_path=_base_path(root),
        operations=operations,
        facts=facts,
    )


def read_document(file: Path) -> "Document":
    """The document itself. Raises OutlineRefused."""
    text = file.read_text(encoding="utf-8-sig")
    try:
        document = json.loads(text) if file.suffix.lower() == ".json" else yaml.load(text, _Yaml)  # noqa: S506 - a SafeLoader
    except (ValueError, yaml.YAMLError) as error:
        raise OutlineRefused(f"{file.name} is neither JSON nor YAML that can be read") from error
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        raise OutlineRefused(f"{file.name} is no OpenAPI document: it has no paths")
    return Document(file.name, document)


def _base_path(document: Mapping[str, Any]) -> str:
    servers = document.get("servers") or [{}]
    url = str(servers[0].get("url", "")) if isinstance(servers[0], dict) else ""
    path = re.sub(r"^[a-z]+://[^/]*", "", url) or str(document.get("basePath") or "")
    return path.rstrip("/")


def _auth(document: Mapping[str, Any]) -> str:
    """``bearer``, ``api_key``, ``oauth2`` or ``none``: the first scheme that the document names."""
    schemes = (document.get("components") or {}).get("securitySchemes") or document.get("securityDefinitions") or {}
    for scheme in schemes.values():
        kind, name = str(scheme.get("type", "")), str(scheme.get("scheme", ""))
        if kind == "http" and name == "bearer":
            return "bearer"
        if kind == "apiKey" and scheme.get("in") == "header":
            return "api_key"
        if kind == "oauth2":
            return "oauth2"
    return "none"


class Document:
    """An OpenAPI document whose references are followed. ``root``: as it was read."""

    def __init__(self, name: str, root: Mapping[str, Any]) -> None:
        self._name = name
        self.root = root

    def operations(self) -> Iterator[OutlineOperation]:
        """Those that take a JSON object."""
        for path, item in self.root["paths"].items():
            for method in _METHODS:
                declared = self.followed((item or {}).get(method))
                body = self._json(self.followed(declared.get("requestBody"))) or self._body_of_2(declared)
                if body:
                    yield OutlineOperation(
                        name=str(declared.get("operationId") or path.strip("/").replace("/", "_") or method),
                        label=str(declared.get("summary") or ""),
                        method=method.upper(),
                        path=str(path),
                        request=apart(self._fields(body)),
                        reply=apart(self._fields(self.answer(declared)[1])),
                        later="202" in (declared.get("responses") or {}),
                    )

    def declared(self, path: str, method: str) -> Mapping[str, Any]:
        """What the document says of an operation; empty where it says nothing. ``method``: GET, POST .."""
        return self.followed(self.followed(self.root["paths"].get(path)).get(method.lower()))

    def answer(self, declared: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        """Status and schema of an operation's good answer; an empty schema where it declares none."""
        responses = {str(status): found for status, found in (declared.get("responses") or {}).items()}
        for status in ("200", "201", "202", "default"):
            found = self.followed(responses.get(status))
            schema = self._json(found) or self.followed(found.get("schema"))
            if schema:
                return int(status) if status.isdigit() else 200, schema
        return next((int(status) for status in ("200", "201", "202", "204") if status in responses), 200), {}

    def enquire_path(self, operations: Sequence[OutlineOperation]) -> str:
        """Where one delivery can be asked after: a GET whose last segment is the delivery id, and whose answer says how it went; or blank."""
        reference = next(filter(None, (reference_of(one.request, one.reply) for one in operations)), None)
        for path in self.root["paths"]:
            found = re.fullmatch(r"(/[^{}]*)\{[^{}]+\}", str(path))
            told = tuple(self._fields(self.answer(self.declared(str(path), "GET"))[1])) if found else ()
            if found and reference and result_of(told) and reference[1] in {one.place for one in told}:
                return f"{found[1]}{{delivery_id}}"
        return ""

    def _body_of_2(self, declared: Mapping[str, Any]) -> Mapping[str, Any]:
        for parameter in declared.get("parameters") or ():
            found = self.followed(parameter)
            if found.get("in") == "body":
                return self.followed(found.get("schema"))
        return {}

    def _json(self, holder: Mapping[str, Any]) -> Mapping[str, Any]:
        for media, content in (holder.get("content") or {}).items():
            if "json" in media:
                return self.followed((content or {}).get("schema"))
        return {}

    def followed(self, found: Any, depth: int = 0) -> Mapping[str, Any]:
        """The object itself, behind any references. Raises OutlineRefused for one that leads out of the document."""
        if not isinstance(found, dict):
            return {}
        reference = found.get("$ref")
        if reference is None:
            return found
        if not isinstance(reference, str) or not reference.startswith("#/") or depth > _DEEPEST:
            raise OutlineRefused(f"{self._name} refers to {reference}: put that into the document itself")
        place: Any = self.root
        for part in reference[2:].split("/"):
            place = place.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(place, dict) else None
        return self.followed(place, depth + 1)

    def _fields(self, schema: Mapping[str, Any], depth: int = 0, parts: int = DEEPEST_PART) -> Iterator[OutlineField]:
        """The properties of an object, those of ``allOf`` and of the objects in it included; ``parts``: so deep objects are followed."""
        if depth > _DEEPEST:
            return
        for part in schema.get("allOf") or ():
            yield from self._fields(self.followed(part), depth + 1, parts)
        required = schema.get("required") or ()
        for name, found in (schema.get("properties") or {}).items():
            declared = self.followed(found)
            field = self._field(str(name), declared, name in required, depth)
            inner = tuple(self._fields(self._chosen(declared), depth + 1, parts - 1)) if parts else ()
            # A dot in a name could not be told from the step into a part.
            if field.type != "object" or not inner or any("." in one.name for one in (field, *inner)):
                yield field
                continue
            for one in inner:
                yield replace(one, path=f"{name}.{one.place}", required=one.required and field.required)

    def _field(self, name: str, declared: Mapping[str, Any], required: bool, depth: int) -> OutlineField:
        kind, codes, columns = self._type(declared, depth)
        length = declared.get("maxLength")
        return OutlineField(
            name=name,
            type="string" if kind == "codes" else kind,
            required=required,
            label=str(declared.get("description") or declared.get("title") or ""),
            max_length=length if isinstance(length, int) else None,
            codes=codes,
            columns=columns,
            repeats=kind == "codes",
        )

    def _chosen(self, declared: Mapping[str, Any]) -> Mapping[str, Any]:
        """The first alternative that is not null, where there are any; else what is declared."""
        choices = [self.followed(one) for one in declared.get("oneOf") or declared.get("anyOf") or ()]
        chosen = next((one for one in choices if one.get("type") != "null"), None)
        return declared if chosen is None or "type" in declared else chosen

    def _type(
        self, declared: Mapping[str, Any], depth: int
    ) -> tuple[FieldType, tuple[str, ...], tuple[OutlineField, ...]]:
        chosen = self._chosen(declared)
        if chosen is not declared:
            return self._type(chosen, depth)
        named = declared.get("type")
        kinds = [one for one in (named if isinstance(named, list) else [named]) if one != "null"]
        kind = str(kinds[0]) if kinds and kinds[0] else "string"
        if declared.get("enum"):
            return "code", tuple(str(one) for one in declared["enum"] if one is not None), ()
        if kind == "array":
            items = self.followed(declared.get("items"))
            columns = tuple(self._fields(items, depth + 1, parts=0))
            return ("table", (), columns) if columns else ("codes", (), ())
        if kind == "object" or "properties" in declared or "allOf" in declared:
            return "object", (), ()
        return _TYPES.get((kind, str(declared.get("format") or "") if kind == "string" else ""), "string"), (), ()
