"""A department made of nothing but its contract file: a WSDL, an OpenAPI document or a record layout.

    contract file -> outline -> dialect -> one system of a site that no folder holds

Which field proves a delivery, which says how it went and by which codes is guessed as ``onedoor new-plugin`` guesses it, so a plugin that
was begun from the same file speaks with it. An exchange of files has the folders, names and control files of that plugin.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from adapters.contract_dialect import Dialect, dialect_of, expression, short_code, snake
from adapters.contract_outline import Outline, OutlineField, OutlineOperation, OutlineRefused, read_outline
from contracts.records import adapter, record
from contracts.site import DepartmentFile, Site
from contracts.site_files import PROTOCOLS
from contracts.situation import Situation
from simulators.contract_answers import ContractAnswers, contract_answers


@record
class ContractCity:
    """Departments that no folder declares. ``answers``: by system; ``left_without``: operations that carry no delivery id or no result, by system."""

    site: Site
    answers: Mapping[str, ContractAnswers]
    left_without: Mapping[str, Sequence[str]]


def contract_city(files: Sequence[Path], names: Sequence[str] = ()) -> ContractCity:
    """A department for each contract file, called as ``names`` say or after the file. Raises OutlineRefused."""
    departments: dict[str, DepartmentFile] = {}
    answers: dict[str, ContractAnswers] = {}
    without: dict[str, Sequence[str]] = {}
    homes: dict[str, str] = {}
    for number, file in enumerate(files):
        outline = read_outline(file)
        name = snake(names[number] if number < len(names) else file.stem)
        code = short_code(name, frozenset(departments))
        speech = dialect_of(outline.operations, PROTOCOLS[outline.protocol])
        key = f"{code}-{name.replace('_', '-')}"
        departments[code] = _department(outline, speech, file, name, code, key)
        answers[key] = contract_answers(outline, speech, file)
        without[key] = [one.name for one in speech.left_out]
        homes[code] = (file.resolve().parent / "department.toml").as_posix()
    site = Site(
        root=".",
        region="310000",
        name_zh="样例",
        name_en="sample",
        timezone="Asia/Shanghai",
        plugins=(),
        calendars={},
        centres={},
        code_lists={},
        field_groups={},
        materials={},
        departments=tuple(departments.values()),
        items=(),
        files=homes,
    )
    return ContractCity(site=site, answers=answers, left_without=without)


def _department(outline: Outline, speech: Dialect, file: Path, name: str, code: str, key: str) -> DepartmentFile:
    situation = PROTOCOLS[outline.protocol]
    served = [*speech.operations, *(speech.left_out if situation is Situation.API else ())]
    if not served:
        raise OutlineRefused(f"{file.name}: every record needs a field for the result in its reply, such as JGDM")
    table = {"rest": _rest, "soap": _soap, "file_drop": _file_drop}[outline.protocol](outline, speech, file, name, code)
    channel = {"situation": situation, "resend_is_safe": speech.reference is not None or situation is not Situation.API}
    codes = {one.code: _code(one.outcome, one.name_zh, one.name_en) for one in speech.codes}
    system = {
        "key": key,
        "name_zh": outline.title,
        "name_en": outline.title,
        "result_field": speech.result_field,
        "channels": [{**channel, outline.protocol: table}],
        "operations": [_operation(one, outline, speech, codes) for one in served],
    }
    told = {"code": code, "name_zh": outline.title, "name_en": outline.title, "systems": [system]}
    try:
        return adapter(DepartmentFile).validate_python(told)
    except ValueError as error:
        raise OutlineRefused(f"{file.name} describes what no department can be made of: {error}") from error


def _code(outcome: str, name_zh: str, name_en: str) -> Mapping[str, JsonValue]:
    return {"outcome": outcome, "name_zh": name_zh, "name_en": name_en}


def _operation(
    outlined: OutlineOperation, outline: Outline, speech: Dialect, codes: Mapping[str, Mapping[str, JsonValue]]
) -> Mapping[str, object]:
    situation = PROTOCOLS[outline.protocol]
    later = situation is Situation.FILE_DROP or (outlined.later and "enquire_path" in outline.facts)
    wire: Mapping[str, Mapping[str, object]] = {
        "rest": {
            "method": outlined.method,
            "path": outlined.path or f"/{snake(outlined.name)}",
            **_rows(outlined, speech),
        },
        "soap": {"operation": outlined.name, **_rows(outlined, speech)},
        "file_drop": {"layout": outlined.name, "operation_code": outlined.name},
    }
    return {
        "key": snake(outlined.name),
        "name_zh": outlined.label or outlined.name,
        "name_en": outlined.label or outlined.name,
        "purpose": "decide",
        "answers": "later" if later else "at_once",
        "request": [
            {**_field(one), "required": one.required, "source": f"form.{snake(one.name)}"}
            for one in outlined.request
            if one.place not in speech.aside
        ],
        "reply": [_field(one) for one in outlined.reply if one.place not in speech.aside],
        "wire": {situation: wire[outline.protocol]},
        "result_codes": {situation: codes},
    }


def _rows(outlined: OutlineOperation, speech: Dialect) -> Mapping[str, Mapping[str, str]]:
    """Where the fields lie, in messages whose parts lie in each other."""
    asked = {one.place: expression(one.name) for one in outlined.request if one.place not in speech.aside}
    told = {one.name: expression(one.path) for one in outlined.reply if one.path and one.place not in speech.aside}
    return {"request": asked if any(one.path for one in outlined.request) else {}, "reply": told}


def _field(field: OutlineField) -> Mapping[str, object]:
    """A field as a department's table names it; a code without a list is text."""
    plain = "string" if field.type in ("code", "codes", "object") else field.type
    columns = [{"name": one.name, "type": "string"} for one in field.columns] if plain == "table" else []
    return {"name": field.name, "type": plain, "width_bytes": field.width_bytes, "columns": columns}


def _width(speech: Dialect) -> Mapping[str, int]:
    return {"width": speech.width} if speech.width != 36 else {}


def _rest(outline: Outline, speech: Dialect, file: Path, name: str, code: str) -> Mapping[str, object]:
    kind = outline.facts.get("auth", "none")
    secrets = {
        "bearer": [f"{name}_token"],
        "oauth2": [f"{name}_client_id", f"{name}_client_secret"],
        "api_key": [f"{name}_key"],
    }
    reference: Mapping[str, str | int] = {"in": "connection"}
    if speech.reference:
        reference = {"in": "body", "name": speech.reference[0], "echo": speech.reference[1], **_width(speech)}
    enquire = outline.facts.get("enquire_path") if speech.reference else None
    return {
        "base_path": outline.base_path,
        "auth": {"kind": kind, "secrets": secrets.get(kind, [])}
        | ({"header": "X-Api-Key"} if kind == "api_key" else {}),
        "reference": reference,
        **({"enquire_path": enquire} if enquire else {}),
    }


def _soap(outline: Outline, speech: Dialect, file: Path, name: str, code: str) -> Mapping[str, object]:
    reference: Mapping[str, str | int] = {"in": "connection"}
    if speech.reference:
        reference = {"in": "element", "name": speech.reference[0], "echo": speech.reference[1], **_width(speech)}
    return {
        "base_path": outline.base_path,
        "wsdl": file.name,
        "soap_version": outline.facts["soap_version"],
        "style": outline.facts["style"],
        "reference": reference,
        **({"enquire_operation": speech.enquiry} if speech.enquiry else {}),
    }


def _file_drop(outline: Outline, speech: Dialect, file: Path, name: str, code: str) -> Mapping[str, object]:
    """The exchange that a plugin begun from the same layout declares; only the layout is the department's own."""
    width = max(len(one.name) for one in speech.operations)
    width_of_code = speech.result.width_bytes if speech.result else None
    control = {"suffix": ".ok", "content": ["rows", "md5"]}
    records: Mapping[str, Mapping[str, object]] = {
        "csv": {"delimiter": ",", "quote": '"', "eol": "CRLF", "header_row": True},
        "fixed": {
            "widths": "bytes",
            "pad_text": "space right",
            "pad_number": "zero left",
            "eol": "CRLF",
            "operation_code": {"name": "YWDM", "width": width},
        },
    }
    return {
        "format": outline.facts["format"],
        "encoding": "GB18030",
        "record": records[outline.facts["format"]],
        "reference": {
            "name": speech.reference[0] if speech.reference else "LSH",
            "width": 32 if speech.reference_width == 32 else 36,
        },
        "out": {"dir": "/out", "pattern": f"{code}_{{date:%Y%m%d}}_{{seq:02d}}.txt", "temporary_suffix": ".tmp"},
        "control_file": control,
        "back": {
            "dir": "/back",
            "pattern": f"{code}_R_{{date:%Y%m%d}}_{{seq:02d}}.txt",
            "control_file": control,
            "record": ["reference", "operation", "code", "fields"],
            **({"code_width": width_of_code} if width_of_code not in (None, 2) else {}),
            "done_dir": "/back/done",
            "quarantine_dir": "/back/quarantine",
        },
        "auth": {"password": f"{name}_sftp"},
    }
