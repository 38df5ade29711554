"""Whatever is wrong in a site folder is told with its file, key and line, and all of it at once."""

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from contracts.errors import SiteError, SiteMistake
from contracts.near_names import meant
from contracts.site import load_site, mistakes_of
from contracts.situation import Situation
from plugins.toml_departments import register_departments, sample_site

SMALL = ("archives", "civil_affairs", "education", "health")
"""Departments enough for a mistake of every kind; a hundred copies of the whole city would take their time."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a part of the sample city that a test may spoil: some departments, and the items that need no other."""
    copy = tmp_path / "site"
    shutil.copytree(sample_site(), copy, ignore=_not_small)
    return copy


@pytest.fixture
def whole_folder(tmp_path: Path) -> Path:
    """A copy of all of it."""
    copy = tmp_path / "whole"
    shutil.copytree(sample_site(), copy, ignore=shutil.ignore_patterns("*.py", "*.json", "__pycache__"))
    return copy


def _not_small(folder: str, names: list[str]) -> list[str]:
    if Path(folder) == sample_site():
        return [name for name in names if name not in (*SMALL, "calendar") and not name.endswith(".toml")]
    here = set[str]()
    if folder.endswith("items"):
        texts = {name: (Path(folder) / name).read_text("utf-8") for name in names}
        here = {
            name
            for name, text in texts.items()
            if not set(re.findall(r'^system = "(\w+)-', text, re.MULTILINE)) <= KNOWN
        }
    return [name for name in names if name.endswith((".py", ".json", ".md")) or name in here]


KNOWN = {"DA", "MZ", "JY", "WJ"}


def mistakes_in(folder: Path) -> tuple[SiteMistake, ...]:
    with pytest.raises(SiteError) as caught:
        load_site(folder)
    return caught.value.mistakes


def test_operations_of_a_system_share_its_result_codes_unless_they_bring_their_own(folder: Path) -> None:
    file = folder / "archives/department.toml"
    text = file.read_text("utf-8").replace(
        'wire = { api = { method = "POST", path = "/search" } }',
        'wire = { api = { method = "POST", path = "/search" } }\n'
        'result_codes = { api = { Y = { outcome = "completed.granted", name_zh = "", name_en = "" }, '
        'N = { outcome = "completed.refused", name_zh = "", name_en = "" } } }',
    )
    file.write_text(text, "utf-8")
    system = next(department for department in load_site(folder).departments if department.code == "DA").systems[0]
    codes = {operation.key: set(operation.result_codes[Situation.API]) for operation in system.operations}
    assert codes == {"search": {"Y", "N"}, "no_record_statement": {"GRANTED", "REFUSED", "RETURNED", "BUSY", "INVALID"}}


class Planted(NamedTuple):
    """``old`` becomes ``new`` in ``file``; the mistake is told at ``key``, on the line where ``line`` stands (``new`` unless given)."""

    file: str
    old: str
    new: str
    key: str
    says: str
    line: str | None = None


CAL, CENTRES, FIELDS = "calendar/2026.toml", "centres.toml", "fields.toml"
DA, MZ, WJ = "archives/department.toml", "civil_affairs/department.toml", "health/department.toml"
DA001, JY004 = "archives/items/DA001.toml", "education/items/JY004.toml"
SEARCH = "systems.0.operations.0"
NO_REST = '[systems.channels.rest]\nbase_path = "/archive/api"'

PLANTED = [
    Planted("site.toml", 'region = "310000"', "region = 310000", "region", "a text is wanted, in quotes"),
    Planted("site.toml", 'region = "310000"', "", "region", "this key is needed", line=""),
    Planted(CAL, "year = 2026", "year = 2028", "year", "must be named 2028.toml"),
    Planted(CAL, "2026-01-01,", "2025-01-01,", "holidays", "2025-01-01 is not in 2026", line="holidays = ["),
    Planted(CAL, "2026-01-01,", "2026-01-04,", "makeup_workdays", "2026-01-04 is a holiday too", line="makeup_workdays = ["),
    Planted(CENTRES, 'code = "310101902"', 'code = "310101901"', "centres.1", "310101901 is there twice"),
    Planted(CENTRES, 'parent = "310112901"', 'parent = "310112999"', "centres.211", "has a parent"),
    Planted("codes.toml", '{ code = "02", name_zh = "残疾"', '{ code = "01", name_zh = "残疾"', "lists.hardship.codes.1", "01 is there twice"),
    Planted("materials.toml", 'code = "M0002"', 'code = "M0001"', "materials.1", "M0001 is there twice"),
    Planted(FIELDS, "^[0-9]{12,19}$", "^[0-9{12,19}$", "groups.bank.fields.1.validators.1", "not a regular expression"),
    Planted(FIELDS, '{ rule = "mobile" }', '{ rule = "mobil" }', "groups.applicant.fields.5.validators.1", "no rule mobil: did you mean mobile?"),
    Planted(FIELDS, '{ rule = "pattern", value = "^[0-9]{12,19}$" }', '{ rule = "pattern" }', "groups.bank.fields.1.validators.1", "pattern needs value", line='{ rule = "luhn"'),
    Planted(FIELDS, 'list = "id_type"', 'list = "id_typ"', "groups.applicant.fields.1.validators.1", "no code list id_typ: did you mean id_type?"),
    Planted(FIELDS, "only_if = \"applicant.id_type == '111'\" }]", 'only_if = "applicant.id_type ==" }]', "groups.applicant.fields.2.validators.2", "not a JMESPath"),
    Planted(FIELDS, 'rule = "yyyymmdd", only_if = "applicant', 'rule = "yyyymmdd", only_if = "[applicant', "groups.applicant.fields.4.derive", "not a JMESPath"),
    Planted(FIELDS, '{ name = "marital"', '{ name = "relation"', "groups.household.fields.1.columns.3", "relation is there twice"),
    Planted(FIELDS, 'list = "marital"', 'list = "wed"', "groups.household.fields.1.columns.3.validators.1", "no code list wed"),
    Planted(DA, 'code = "DA"', 'code = "MZ"', "code", "another department has the code MZ", line='code = "MZ"'),
    Planted(DA, 'key = "DA-archive"', 'key = "MZ-relief"', "systems.0.key", "another system", line='key = "MZ-relief"'),
    Planted(DA, 'key = "DA-archive"', 'key = "DA-archive"\nsuccessor = "DA-new"', "systems.0.successor", "no system DA-new", line='successor = "DA-new"'),
    Planted(DA, 'status = "sending"', 'status = "former"', "systems.0.channels", "exactly one sending channel", line="[[systems.channels]]"),
    Planted(DA, 'status = "sending"', 'status = "sending"\nauto_fallback = { breaker_open_minutes = 30 }', "systems.0.channels.0.auto_fallback", "only a channel with status", "auto_fallback"),
    Planted(DA, 'status = "sending"', 'status = "waiting"', "systems.0.channels.0.status", "'sending', 'fallback', 'former' or 'shadow'"),
    Planted(MZ, 'situation = "paper"', 'situation = "api"', "systems.0.channels.1", "api is there twice", line="[[systems.channels]]"),
    Planted(DA, NO_REST, f"paper = {{}}\n\n{NO_REST}", "systems.0.channels.0", "exactly one of rest, soap", line="[[systems.channels]]"),
    Planted(DA, 'situation = "api"', 'situation = "paper"', "systems.0.channels.0.situation", "rest is api, not paper"),
    Planted(DA, 'start = "06:00"', 'start = "6:00"', "systems.0.channels.0.limits.opening_hours.start", "6:00 is no time of day"),
    Planted(WJ, 'cut_offs = ["11:30", ', 'cut_offs = ["11.30", ', "systems.0.channels.0.batching.cut_offs.0", "11.30 is no time of day"),
    Planted(DA, 'days = "daily"', 'days = "monthly"', "systems.0.channels.0.limits.opening_hours.days", "neither daily nor working"),
    Planted(WJ, 'calendar = "working", send_empty', 'calendar = "lunar", send_empty', "systems.0.channels.0.batching.calendar", "neither daily nor working"),
    Planted(DA, 'key = "no_record_statement"', 'key = "search"', "systems.0.operations.1", "search is there twice", line="[[systems.operations]]"),
    Planted(DA, 'answers = "at_once"', 'answers = "at_once"\nrepeat = "form."', f"{SEARCH}.repeat", "not a JMESPath", line="repeat ="),
    Planted(DA, 'answers = "at_once"', 'answers = "at_once"\nneeds = "=="', f"{SEARCH}.needs", "not a JMESPath", line="needs ="),
    Planted(DA, 'answers = "at_once"', 'answers = "at_once"\nwithdraw_with = "undo"', f"{SEARCH}.withdraw_with", "no operation undo", line="withdraw_with ="),
    Planted(DA, 'name = "year_to"', 'name = "year_from"', f"{SEARCH}.request.4", "year_from is there twice", line='source = "form.year_to"'),
    Planted(DA, 'code_list = "archive_kind"', 'code_list = "archive"', f"{SEARCH}.request.2.code_list", "no code list archive: did you mean archive_kind?"),
    Planted(DA, 'source = "form.year_to", type = "int"', 'source = "form.year_to", type = "code"', f"{SEARCH}.request.4", "year_to: a code_list goes with"),
    Planted(DA, 'source = "form.year_to"', 'source = "form..year_to"', f"{SEARCH}.request.4.source", "not a JMESPath"),
    Planted(MZ, '{ name = "id_no", source = "id_no"', '{ name = "name", source = "id_no"', "systems.1.operations.0.request.0.columns.1", "name is there twice"),
    Planted(MZ, '{ name = "id_no", source = "id_no"', '{ name = "id_no", source = "["', "systems.1.operations.0.request.0.columns.1.source", "not a JMESPath"),
    Planted(MZ, 'label_en = "Marital status", code_list = "marital"', 'label_en = "Marital status"', "systems.1.operations.0.reply.1.columns.1", "marital: a code_list goes with"),
    Planted(DA, 'wire = { api = { method = "POST", path = "/search" } }', "wire = {}", f"{SEARCH}.wire", "nothing for api"),
    Planted(DA, "[systems.result_codes.decide.api]", "[systems.result_codes.check.api]", SEARCH, "no result code of api means completed.granted", line="[[systems.operations]]"),
    Planted(DA, 'BUSY = { outcome = "temporary"', 'BUSY = { outcome = "completed.done"', SEARCH, "is to decide cannot answer completed.done", line="[[systems.operations]]"),
    Planted(DA, 'name_en = "granted" }', 'name_en = "granted", none_found = true }', SEARCH, "none_found goes with completed.done, not with GRANTED", line="[[systems.operations]]"),
    Planted(DA, "[systems.result_codes.decide.api]", "[systems.result_codes.decline.api]", "systems.0.result_codes.decline", "decline is none of 'decide' or 'check'"),
    Planted(DA001, 'code = "DA001"', 'code = "DA002"', "code", "another file has version 1 of DA002", line='code = "DA002"'),
    Planted(DA001, 'owner = "DA"', 'owner = "XX"', "owner", "no department XX"),
    Planted(DA001, '"2026-01-01"', '"1 January"', "valid_from", "no date"),
    Planted(DA001, "promised_days = 0", "promised_days = 6", "promised_days", "more than the law allows"),
    Planted(DA001, '"applicant", "agent"', '"applicant", "agents"', "field_groups.1", "no field group agents: did you mean agent?"),
    Planted(DA001, 'name = "year_to"', 'name = "year_from"', "form_fields.2", "year_from is there twice", line="[[form_fields]]"),
    Planted(DA001, 'material = "M0001"', 'material = "M9999"', "materials.0", "no material M9999"),
    Planted(DA001, "agent.id_no != null", "agent.id_no !=", "materials.1", "not a JMESPath"),
    Planted(DA001, 'accepts = "s1"', 'accepts = "s0"', "accepts", "no step s0"),
    Planted(DA001, 'decides = "s2"', 'decides = "s9"', "decides", "no step s9"),
    Planted(DA001, 'id = "s3"', 'id = "s1"', "steps.2.id", "s1 is there twice"),
    Planted(DA001, 'after = ["s2"]', 'after = ["s9"]', "steps.2.after", "no step s9"),
    Planted(DA001, 'after = ["s1"]', 'after = ["s3"]', "steps.1.after", "s3 must stand before s2"),
    Planted(DA001, 'after = ["s2"]', 'after = ["s1", "s2"]', "steps.2.after", "needs a join"),
    Planted(DA001, 'after = ["s2"]', 'after = ["s2"]\nwhen = "form."', "steps.2.when", "not a JMESPath", line="when ="),
    Planted(DA001, 'task = "deliver"', "", "steps.2", "names its task", line="[[steps]]"),
    Planted(DA001, 'task = "deliver"', 'task = "deliver"\nsystem = "DA-archive"', "steps.2", "has no department, system", line="[[steps]]"),
    Planted(DA001, 'operation = "search"', "", "steps.1", "names its system and operation", line="[[steps]]"),
    Planted(DA001, 'system = "DA-archive"', 'system = "DA-archiv"', "steps.1.system", "no system DA-archiv: did you mean DA-archive?"),
    Planted(DA001, 'department = "DA"', 'department = "MZ"', "steps.1.department", "DA-archive belongs to DA"),
    Planted(DA001, 'operation = "search"', 'operation = "find"', "steps.1.operation", "no operation find"),
    Planted(DA001, 'name = "keyword"', 'name = "words"', "steps.1.operation", "nothing here gives form.keyword", line='operation = "search"'),
    Planted(DA001, 'operation = "search"', 'operation = "no_record_statement"', "steps.1.operation", "answers later"),
    Planted(DA001, 'kind = "centre"', 'kind = "center"', "steps.0.kind", "center is none of 'centre' or 'department': did you mean centre?"),
    Planted(DA001, 'task = "deliver"', 'task = "delivr"', "steps.2.task", "no usual task delivr: did you mean deliver?"),
    Planted(DA001, 'valid_from = "2026-01-01"', "valid_from = 2026-01-01", "valid_from", "in quotes"),
    Planted(DA001, "legal_days = 5", 'legal_days = "five"', "legal_days", "a whole number is wanted"),
    Planted(DA001, 'after = ["s2"]', 'after = "s2"', "steps.2.after", "a list is wanted"),
    Planted(DA001, 'when = "agent.id_no', 'when = "agnet.id_no', "materials.1", "a case has no agnet: did you mean agent?"),
    Planted(DA, "resend_is_safe = true", "", "systems.0.channels.0.resend_is_safe", "this key is needed", line="[[systems.channels]]"),
    Planted(DA, "rate_per_second = 5", 'rate_per_second = "5/s"', "systems.0.channels.0.limits.rate_per_second", "a number is wanted"),
    Planted(DA, "resend_is_safe = true", 'resend_is_safe = "perhaps"', "systems.0.channels.0.resend_is_safe", "true or false is wanted"),
    Planted(DA, 'source = "form.year_to"', 'source = "from.year_to"', f"{SEARCH}.request.4.source", "a case has no from: did you mean form?"),
    Planted(DA001, "legal_days = 5", "legal_days = 5\nfee_yuan = 3", "fee_yuan", "no such key", line="fee_yuan"),
    Planted(DA001, "promised_days = 0", "promised_day = 0", "promised_day", "no such key: did you mean promised_days?"),
    Planted(DA001, 'task = "deliver"', 'tasks = "deliver"', "steps.2.tasks", "no such key: did you mean task?"),
    Planted(DA001, "original_check = true", "orginal_check = true", "materials.0.orginal_check", "did you mean original_check?"),
    Planted(DA001, 'operation = "search"', 'operation = "serch"', "steps.1.operation", "no operation serch: did you mean search?"),
    Planted(DA001, 'name = "keyword"', 'name = "keywords"', "steps.1.operation", "nothing here gives form.keyword: did you mean keywords?", line='operation = "search"'),
    Planted(DA, "resend_is_safe = true", "resend_safe = true", "systems.0.channels.0.resend_safe", "did you mean resend_is_safe?"),
    Planted(DA, "rate_per_second = 5", "rate_per_sec = 5", "systems.0.channels.0.limits.rate_per_sec", "did you mean rate_per_second?"),
    Planted(DA, 'name_en = "granted" }', 'name_en = "granted", dupplicate = true }', "systems.0.result_codes.decide.api.GRANTED.dupplicate", "did you mean duplicate?"),
    Planted(DA, 'source = "form.year_to", type', 'scource = "form.year_to", type', f"{SEARCH}.request.4.scource", "did you mean source?"),
    Planted(FIELDS, 'type = "date"', 'typ = "date"', "groups.applicant.fields.4.typ", "did you mean type?"),
    Planted("site.toml", 'timezone = "Asia/Shanghai"', 'time_zone = "Asia/Shanghai"', "time_zone", "did you mean timezone?"),
    Planted(JY004, 'decides = "s3"', 'decides = "p1"', "steps.1.operation", "decides nothing", line='operation = "relief_status"'),
    Planted(JY004, 'wait_for = "all"', 'wait_for = "any"', "steps.4.join.wait_for", "'all' or 'mandatory'"),
    Planted(JY004, 'wait_for = "all"', 'wait_for = "all", mandatory = ["s1"]', "steps.4.join", "s1 is not among"),
    Planted(JY004, 'wait_for = "all"', 'wait_for = "mandatory"', "steps.4.join", "goes with wait_for mandatory"),
]  # fmt: skip


@pytest.mark.parametrize(
    "planted", PLANTED, ids=lambda planted: f"{Path(planted.file).stem}-{planted.key}-{planted.new[:20]}"
)
def test_a_mistake_is_told_with_its_file_key_and_line(folder: Path, planted: Planted) -> None:
    path = folder / planted.file
    text = path.read_text("utf-8")
    assert planted.old in text
    path.write_text(text.replace(planted.old, planted.new, 1), "utf-8")
    found = [
        mistake
        for mistake in mistakes_in(folder)
        if (mistake.key, planted.says in mistake.message) == (planted.key, True)
    ]
    assert found, "\n".join(map(str, mistakes_in(folder)))
    with pytest.raises(SiteError) as told:
        register_departments(str(folder))
    assert set(found) <= set(told.value.mistakes)
    lines = ["", *path.read_text("utf-8").splitlines()]
    assert (planted.new if planted.line is None else planted.line) in lines[found[0].line]
    assert (found[0].line == 0) == (planted.line == "")


def test_mistakes_of_several_files_are_told_together(folder: Path) -> None:
    for file, old, new in (
        (DA001, 'owner = "DA"', 'owner = "XX"'),
        (JY004, 'accepts = "s1"', 'accepts = "s0"'),
        (CAL, "year = 2026", "year = 2027"),
    ):
        (folder / file).write_text((folder / file).read_text("utf-8").replace(old, new), "utf-8")
    told = {(mistake.file, mistake.key) for mistake in mistakes_in(folder)}
    assert {(DA001, "owner"), (JY004, "accepts"), (CAL, "year")} <= told


def test_mistakes_of_every_layer_are_told_together(folder: Path) -> None:
    """A key that no table has, a reference that leads nowhere, a value that the adapter refuses: one look is enough."""
    for file, old, new in (
        (WJ, "resend_is_safe", "resend_safe"),
        (DA001, 'decides = "s2"', 'decides = "s9"'),
        (DA, 'kind = "hmac"', 'kind = "hmacs"'),
        (JY004, "legal_days =", "legal_day ="),
    ):
        (folder / file).write_text((folder / file).read_text("utf-8").replace(old, new, 1), "utf-8")
    with pytest.raises(SiteError) as caught:
        register_departments(str(folder))
    assert {(mistake.file, mistake.key.rpartition(".")[2]) for mistake in caught.value.mistakes} == {
        (WJ, "resend_safe"),
        (WJ, "resend_is_safe"),
        (DA001, "decides"),
        (DA, "kind"),
        (JY004, "legal_day"),
        (JY004, "legal_days"),
    }


def test_files_that_cannot_be_read_are_all_told_and_nothing_else(folder: Path) -> None:
    (folder / "centres.toml").unlink()
    (folder / "codes.toml").write_text('[lists]\nsex = { name_zh = "性别"\n', "utf-8")
    (folder / "fields.toml").write_bytes("[groups]\n# 性别".encode("gb18030"))
    (folder / DA001).write_text("code = 1\ncode = 2\n", "utf-8")
    told = {mistake.file: mistake for mistake in mistakes_in(folder)}
    assert set(told) == {"centres.toml", "codes.toml", "fields.toml", DA001}
    assert "missing" in told["centres.toml"].message
    assert told["codes.toml"].line == 2
    assert (told["fields.toml"].line, told[DA001].line) == (0, 2)


def test_an_item_that_cannot_be_read_does_not_hide_behind_good_files(folder: Path) -> None:
    (folder / DA001).write_text("code =", "utf-8")
    assert [mistake.file for mistake in mistakes_in(folder)] == [DA001]


def test_a_system_of_another_plugin_is_no_mistake(folder: Path) -> None:
    item = folder / DA001
    item.write_text(item.read_text("utf-8").replace('system = "DA-archive"', 'system = "DA-python"'), "utf-8")
    head = folder / "site.toml"
    head.write_text(head.read_text("utf-8").replace("plugins = []", 'plugins = ["acme"]'), "utf-8")
    assert load_site(folder).plugins == ("acme",)


@pytest.mark.parametrize(
    ("source", "fillable"),
    [
        ("steps.p1.reply.found", True),  # an earlier step answers it
        ("steps.p1.reply.shoe_size", False),  # an earlier step does not
        ("steps.s4.reply.found", False),  # a later step
        ("steps.s9.reply.found", False),  # no step at all
        ("steps.s1.reply.note", True),  # a person may have written it
        ("steps.s9.reply.found || form.school", True),  # one of two is enough
        ("case_no", True),  # always there
        ("applicant.name", True),
        ("applicant.uscc", False),  # of a group that the item does not have
    ],
)
def test_what_an_operation_needs_must_come_from_the_form_or_an_earlier_step(
    folder: Path, source: str, *, fillable: bool
) -> None:
    file = folder / "education/department.toml"
    old = 'source = "steps.p2.reply.special_kind"'
    # JY002 has the same operation and other steps, so it stays out.
    (folder / "education/items/JY002.toml").unlink()
    file.write_text(file.read_text("utf-8").replace(old, f'required = true, source = "{source}"'), "utf-8")
    if fillable:
        load_site(folder)
    else:
        assert [(mistake.file, mistake.key) for mistake in mistakes_in(folder)] == [(JY004, "steps.4.operation")]


def test_a_step_is_trusted_where_its_system_or_operation_is_not_known(folder: Path) -> None:
    file = folder / "education/department.toml"
    (folder / "education/items/JY002.toml").unlink()
    file.write_text(
        file.read_text("utf-8").replace('steps.p3.reply.confirmed"', 'steps.p3.reply.confirmed", required = true'),
        "utf-8",
    )
    item = folder / JY004
    item.write_text(
        item.read_text("utf-8").replace('operation = "schooling_check"', 'operation = "schooling"'), "utf-8"
    )
    assert [mistake.message for mistake in mistakes_in(folder)] == [
        "JY-office has no operation schooling: did you mean schooling_check?"
    ]


# --- mistakes that only an adapter sees ---


@pytest.mark.parametrize(
    ("old", "new", "key", "line", "says"),
    [
        (
            'base_path = "/archive/api"',
            'base_bath = "/archive/api"',
            "systems.0.channels.0.rest.base_bath",
            "base_bath",
            "no such key: did you mean base_path?",
        ),
        (
            "total_seconds = 12",
            'total_seconds = "long"',
            "systems.0.channels.0.rest.timeouts.total_seconds",
            "timeouts =",
            "a number is wanted",
        ),
        ('path = "/search"', 'path = "search"', f"{SEARCH}.wire.api.path", 'path = "search"', "does not have the form"),
    ],
)
def test_a_mistake_in_a_protocol_table_is_told_in_the_same_way(
    folder: Path, old: str, new: str, key: str, line: str, says: str
) -> None:
    path = folder / DA
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")
    with pytest.raises(SiteError) as caught:
        register_departments(str(folder))
    (mistake,) = caught.value.mistakes
    assert (mistake.file, mistake.key) == (DA, key)
    assert says in mistake.message
    assert line in path.read_text("utf-8").splitlines()[mistake.line - 1]


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("wsdl/YB-insurance.wsdl", "wsdl/YB.wsdl", "systems.0.channels.0.soap", "YB.wsdl"),
        (
            'operation = "Enrolment"',
            'operation = "Enrollment"',
            "systems.0.operations.2.wire.api",
            "no operation Enrollment",
        ),
    ],
)
def test_a_wsdl_that_does_not_fit_is_laid_to_the_channel(
    whole_folder: Path, old: str, new: str, key: str, says: str
) -> None:
    path = whole_folder / "medical_insurance/department.toml"
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")
    with pytest.raises(SiteError) as caught:
        register_departments(str(whole_folder))
    told = [mistake for mistake in caught.value.mistakes if says in mistake.message]
    assert told, caught.value
    assert {(mistake.file, mistake.key) for mistake in told} == {("medical_insurance/department.toml", key)}


def test_operations_that_only_together_are_wrong_are_laid_to_the_channel(folder: Path) -> None:
    path = folder / WJ
    path.write_text(path.read_text("utf-8").replace('operation_code = "WJ02"', 'operation_code = "WJ01"', 1), "utf-8")
    with pytest.raises(SiteError) as caught:
        register_departments(str(folder))
    assert {(mistake.file, mistake.key) for mistake in caught.value.mistakes} == {
        (WJ, "systems.0.channels.0.file_drop")
    }


def test_a_plain_error_of_an_adapter_gets_the_line_of_its_table() -> None:
    (mistake,) = mistakes_of(sample_site(), DA, ValueError("no room"), ("systems", 0, "channels", 0, "rest"))
    assert (mistake.message, mistake.key) == ("no room", "systems.0.channels.0.rest")
    assert (sample_site() / DA).read_text("utf-8").splitlines()[mistake.line - 1] == "[systems.channels.rest]"


@pytest.mark.parametrize(
    ("file", "old", "new", "key", "says"),
    [
        (WJ, "send_empty = true", "send_emtpy = true", "systems.0.channels.0.batching.send_emtpy", "send_empty"),
        (
            WJ,
            "temporary_suffix",
            "tempory_suffix",
            "systems.0.channels.0.file_drop.out.tempory_suffix",
            "temporary_suffix",
        ),
        (WJ, "delimiter = ", "delimeter = ", "systems.0.channels.0.file_drop.record.delimeter", "delimiter"),
        (MZ, "handover_list", "handover", "systems.0.channels.1.paper.handover", "handover_list"),
        (
            DA,
            'kind = "hmac"',
            'kind = "hmac", algoritm = "hmac-sm3"',
            "systems.0.channels.0.rest.auth.algoritm",
            "algorithm",
        ),
    ],
)
def test_a_key_that_was_nearly_right_is_told_with_the_right_one(
    folder: Path, file: str, old: str, new: str, key: str, says: str
) -> None:
    path = folder / file
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")
    with pytest.raises(SiteError) as caught:
        register_departments(str(folder))
    (mistake,) = [mistake for mistake in caught.value.mistakes if mistake.key == key]
    assert mistake.message == f"no such key: did you mean {says}?"
    assert new in path.read_text("utf-8").splitlines()[mistake.line - 1]


def test_a_format_that_is_none_is_told_with_the_one_that_was_meant(folder: Path) -> None:
    path = folder / WJ
    path.write_text(path.read_text("utf-8").replace('format = "csv"', 'format = "fixd"', 1), "utf-8")
    with pytest.raises(SiteError, match=r"fixd is none of 'csv', .*: did you mean fixed"):
        register_departments(str(folder))


def test_a_folder_that_is_no_site_is_told_in_one_sentence(folder: Path) -> None:
    for root, says in (
        (folder / "archives", f"this is a department's folder; its site is {folder}"),
        (folder / "calendar", "no site folder: it has no site.toml"),
        (folder / "nowhere", "there is no such folder"),
    ):
        (mistake,) = mistakes_in(root)
        assert str(mistake) == f"{root}: {says}"


def test_a_source_that_is_not_there_is_told_with_the_one_that_is(whole_folder: Path) -> None:
    path = whole_folder / "housing/items/FG001.toml"
    path.write_text(path.read_text("utf-8").replace('"c_hukou", "c_marriage"', '"c_huko", "c_marriage"', 1), "utf-8")
    told = {mistake.message for mistake in mistakes_in(whole_folder)}
    assert "no step c_huko: did you mean c_hukou?" in told


def test_a_name_that_is_far_from_all_others_gets_no_guess() -> None:
    assert meant("banana", ["base_path", "encoding"]) == ""
    assert meant("BASE_PATHS", ["base_path", "encoding"]) == ": did you mean base_path?"
