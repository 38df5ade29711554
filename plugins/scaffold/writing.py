"""A draft as files: department.toml, an item and a sample case an operation, a README; and a site around them where there is none."""

import json
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import JsonValue

from adapters.soap_wsdl import Bundle
from contracts.errors import OnedoorError
from plugins.scaffold.drafting import Draft, DraftField, DraftOperation
from plugins.site_keys.composing import write_schemas

_SHARED = ("site.toml", "centres.toml", "codes.toml", "fields.toml", "materials.toml", "calendar", "schemas")
"""What every site has beside its departments; a new site begins with that of the sample city."""

DECIDE = "# DECIDE"
"""The mark of a line that a person must look at."""


class FolderRefused(OnedoorError):
    """A folder that cannot be written into; the text says what to do."""


def begin_site(site: Path, sample: Path) -> bool:
    """Make ``site`` a site, with the sample city's centres, calendar, code lists, form fields and papers; whether it was none yet."""
    if (site / "site.toml").exists():
        return False
    if site.exists() and any(one.name in _SHARED for one in site.iterdir()):
        raise FolderRefused(f"{site} holds parts of a site but no site.toml: name another folder with --site")
    site.mkdir(parents=True, exist_ok=True)
    for name in _SHARED:
        source = sample / name
        if source.is_dir():
            shutil.copytree(source, site / name)
        else:
            shutil.copyfile(source, site / name)
    return True


def codes_taken(site: Path) -> frozenset[str]:
    """The department codes of a site."""
    return frozenset(
        str(tomllib.loads(file.read_text(encoding="utf-8"))["code"]) for file in site.glob("*/department.toml")
    )


def write(draft: Draft, site: Path, contract: Path | None) -> Sequence[Path]:
    """Write the department below ``site``; returns the files. Raises FolderRefused where the folder is there already."""
    folder = _fresh(site / draft.name)
    files = _put(_department(draft, folder, {"site": site.as_posix(), "schemas": "../schemas"}, contract))
    (folder / "README.md").write_text(
        _text("README.md.j2", draft, {"site": site.as_posix(), "folder": folder.as_posix()})
    )
    _copy_bundle(draft, contract, folder)
    _add_lists(draft, site)
    if not (site / "schemas").exists():
        write_schemas(site)
    return files


def write_package(draft: Draft, folder: Path, contract: Path | None, sample: Path) -> Sequence[Path]:
    """Write an installable package into ``folder``, with a site to test it in. Raises FolderRefused as ``write`` does."""
    package = f"onedoor_{draft.name}"
    inside, site = _fresh(folder) / package, folder / "tests" / "site"
    facts = {"package": package, "schemas": "../tests/site/schemas"}
    files = _put(
        {
            **_department(draft, inside, facts, contract),
            folder / "pyproject.toml": _text("pyproject.toml.j2", draft, facts),
            inside / "README.md": _text("PACKAGE.md.j2", draft, facts),
            inside / "__init__.py": _text("package.py.j2", draft, facts),
            folder / "tests" / f"test_{package}.py": _text("package_test.py.j2", draft, facts),
        }
    )
    _copy_bundle(draft, contract, inside)
    begin_site(site, sample)
    head = site / "site.toml"
    head.write_text(
        head.read_text(encoding="utf-8").replace("plugins = []", f'plugins = ["{draft.name}"]'), encoding="utf-8"
    )
    return files


def _fresh(folder: Path) -> Path:
    if folder.exists():
        raise FolderRefused(f"{folder} is there already: choose another name, or remove that folder first")
    return folder


def _put(texts: Mapping[Path, str]) -> Sequence[Path]:
    for file, text in texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tuple(texts)


def _department(draft: Draft, folder: Path, facts: Mapping[str, object], contract: Path | None) -> Mapping[Path, str]:
    """What makes a department: its table, and an item and a sample case an operation."""
    more: dict[str, object] = {
        **facts,
        "contract": contract.name if contract else "",
        "auth": draft.facts.get("auth", "api_key"),
        "from_nothing": contract is None,
        "code_width": max(len(one.name) for one in draft.operations),
    }
    found = {folder / "department.toml": _text("department.toml.j2", draft, more)}
    for one in draft.operations:
        sample = json.dumps(_sample(draft, one), ensure_ascii=False, indent=2)
        found[folder / "items" / f"{one.item}.toml"] = _text("item.toml.j2", draft, {**more, "o": one})
        found[folder / "samples" / f"{one.item}.json"] = sample + "\n"
    return found


def _text(template: str, draft: Draft, facts: Mapping[str, object]) -> str:
    environment = Environment(
        loader=PackageLoader("plugins.scaffold"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - TOML and Markdown, whose values are quoted by the filter toml
    )
    environment.filters.update(toml=_toml, key=_key, columns=_columns, rules=_rules, rows=_rows)
    return environment.get_template(template).render({"d": draft, **facts})


def _toml(value: str) -> str:
    """A JSON string is a TOML string; a description of several lines becomes one."""
    return json.dumps(" ".join(value.split()), ensure_ascii=False)


def _key(value: str) -> str:
    return value if value.replace("-", "").replace("_", "").isalnum() and value.isascii() else _toml(value)


def _columns(columns: Sequence[DraftField]) -> str:
    return ", ".join(
        f"{{ name = {_toml(one.name)}, source = {_toml(str(one.source))}, type = {_toml(one.type)},"
        f" label_zh = {_toml(one.label)}, label_en = {_toml(one.label)} }}"
        for one in columns
    )


def _rows(rows: Mapping[str, str]) -> str:
    return ", ".join(f"{_key(name)} = {_toml(row)}" for name, row in rows.items())


def _rules(field: DraftField) -> str:
    rules = ['{ rule = "required" }'] if field.required else []
    if field.max_length and field.type in ("string", "text"):
        rules.append(f'{{ rule = "max_length", value = {field.max_length} }}')
    if field.code_list:
        rules.append(f'{{ rule = "code_list", list = "{field.code_list}" }}')
    return ", ".join(rules)


def _copy_bundle(draft: Draft, contract: Path | None, folder: Path) -> None:
    """The WSDL of a SOAP department, and what it imports and includes, however deep."""
    if contract is None or draft.protocol != "soap":
        return
    bundle = Bundle(path=contract.resolve())
    for file in bundle.files():
        place = folder / "wsdl" / (contract.name if file == bundle.path else file.relative_to(bundle.path.parent))
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)


def unwrite(draft: Draft, site: Path) -> None:
    """Take back what ``write`` did."""
    shutil.rmtree(site / draft.name)
    lists = site / "codes.toml"
    lists.write_text(lists.read_text(encoding="utf-8").removesuffix(_lists_text(draft)), encoding="utf-8")


def _add_lists(draft: Draft, site: Path) -> None:
    """Code lists of the contract file join those of the site."""
    with (site / "codes.toml").open("a", encoding="utf-8") as file:
        file.write(_lists_text(draft))


def _lists_text(draft: Draft) -> str:
    lines: list[str] = []
    for name, codes in draft.lists.items():
        lines += [f"\n[lists.{name}]", f"name_zh = {_toml(name)}", f"name_en = {_toml(name)}", "codes = ["]
        lines += [f"    {{ code = {_toml(one)}, name_zh = {_toml(one)}, name_en = {_toml(one)} }}," for one in codes]
        lines.append("]\n")
    return "\n".join(lines)


_APPLICANT: Mapping[str, JsonValue] = {
    "name": "尼玛·样例次仁",
    "id_type": "111",
    "id_no": "310117200002299934",
    "sex": "1",
    "birth_date": "2000-02-29",
    "mobile": "19900000003",
    "address": "示例街道样例路99号",
    "notify_sms": True,
}
"""Nobody: an invented name, a number in the range of invented ones."""

_VALUES: Mapping[str, JsonValue] = {
    "int": 1,
    "bool": True,
    "decimal": "1.0",
    "money": "100.00",
    "date": "2026-01-05",
    "month": "2026-01",
}


def _sample(draft: Draft, operation: DraftOperation) -> Mapping[str, JsonValue]:
    """A case as a counter would send it, with something of the right type in every field."""
    centre = draft.facts.get("centre", "310104901")
    form: dict[str, JsonValue] = {}
    for one in operation.asked:
        form[str(one.source).removeprefix("form.")] = _value(one, draft)
    return {
        "specversion": "1.0",
        "id": f"sample-{operation.item.lower()}",
        "source": f"urn:onedoor:sample:counter:{centre}",
        "type": "org.onedoor.case.submit.v1",
        "time": "2026-03-02T09:18:00+08:00",
        "datacontenttype": "application/json",
        "data": {
            "item": operation.item,
            "item_version": 1,
            "receiving_centre": centre,
            "channel": "1",
            "applicant": {**_APPLICANT, "hukou_region": centre, "residence_region": centre},
            "form": form,
            "materials": [{"material": "M0001", "originals": 1, "copies": 1, "pages": 1}],
            "accepted": True,
        },
    }


def _value(field: DraftField, draft: Draft) -> JsonValue:
    if field.columns:
        return [{str(one.source): _VALUES.get(one.type, "样例") for one in field.columns}]
    if field.code_list:
        return draft.lists[field.code_list][0]
    text = "样例"[: field.max_length] if field.max_length else "样例"
    if field.width_bytes and field.width_bytes < len(text.encode()):
        text = "1"
    return _VALUES.get(field.type, text)


def decisions(files: Sequence[Path]) -> int:
    """Lines that a person must look at."""
    return sum(
        line.count(DECIDE) > 0
        for file in files
        for line in file.read_text(encoding="utf-8").splitlines()
        if file.suffix == ".toml"
    )
