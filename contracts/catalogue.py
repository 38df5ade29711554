"""The catalogue 事项: items with their forms, materials and steps, and the operations that steps call.

Conditions and sources are JMESPath over the case, with the roots ``applicant``, ``agent``, ``form``, ``steps``
(``steps.<id>.outcome``, ``steps.<id>.reply.<field>``), ``joined`` and ``row``.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, JsonValue

from contracts.records import Fields, record
from contracts.situation import Situation

FieldType: TypeAlias = Literal[
    "string", "text", "code", "codes", "bool", "int", "decimal", "money", "date", "month", "table", "object"
]
"""``money``: CNY with two decimals. ``date``: ISO 8601. ``month``: YYYY-MM. ``text``: several lines. ``codes``: a list of codes."""


class StepKind(StrEnum):
    """Who acts: a person at the centre, or a department's system."""

    CENTRE = "centre"
    DEPARTMENT = "department"


class DayType(StrEnum):
    """How a limit counts."""

    WORKING = "working"
    NATURAL = "natural"


class Purpose(StrEnum):
    """``decide``: the result decides a case. ``check``: it supplies facts or records something."""

    DECIDE = "decide"
    CHECK = "check"


class Answers(StrEnum):
    """When an operation answers."""

    AT_ONCE = "at_once"
    LATER = "later"


class ResultKind(StrEnum):
    """What a department's code means."""

    GRANTED = "completed.granted"
    REFUSED = "completed.refused"
    DONE = "completed.done"
    RETURNED = "returned"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"


@record
class ResultCode:
    """One code of a department. ``duplicate``: the department says that it already has the record.

    ``none_found``: it looked and has nothing on this person; the reply then says ``found = false``, whatever else it holds.
    """

    outcome: ResultKind
    name_zh: str
    name_en: str
    duplicate: bool = False
    none_found: bool = False


@record
class Column:
    """A column of a table field."""

    name: str
    type: FieldType = "string"
    label_zh: str = ""
    label_en: str = ""
    validators: tuple["Validator", ...] = ()
    source: str | None = None
    code_list: str | None = None
    required: bool = False
    max_length: int | None = None
    width_bytes: int | None = None


@record
class RequestField:
    """A field that an operation may receive; together they are its allow-list (data minimisation)."""

    name: str
    source: str
    type: FieldType
    required: bool = False
    max_length: int | None = None
    code_list: str | None = None
    width_bytes: int | None = None
    label_zh: str = ""
    label_en: str = ""
    columns: tuple[Column, ...] = ()


@record
class ReplyField:
    """A field that an operation answers with."""

    name: str
    type: FieldType
    label_zh: str = ""
    label_en: str = ""
    code_list: str | None = None
    width_bytes: int | None = None
    columns: tuple[Column, ...] = ()


@record
class Operation:
    """Something that a system does for a case.

    ``repeat``: a table of the form (``form.members``): one delivery a row. ``needs``: a condition; when it is false nothing
    is sent and a person decides. ``withdraw_with``: the operation that withdraws one that has left.
    ``result_codes``: by situation; those of the system are filled in when the site is loaded.
    ``wire``: by situation, what the adapter needs: method and path, record layout, sheet form.
    """

    key: str
    name_zh: str
    name_en: str
    purpose: Purpose
    answers: Answers
    request: tuple[RequestField, ...]
    reply: tuple[ReplyField, ...]
    wire: Mapping[Situation, Fields]
    result_codes: Mapping[Situation, Mapping[str, ResultCode]] = field(
        default_factory=dict[Situation, Mapping[str, ResultCode]]
    )
    repeat: str | None = None
    needs: str | None = None
    withdraw_with: str | None = None


@record
class Validator:
    """One rule on a value. ``RULES`` is the closed list; docs/reference/validators.md says what each of them means.

    ``on`` names the value where it is not that of the field itself (the checks of an item). ``only_if``: else the rule rests.
    """

    rule: str
    on: str | None = None
    value: JsonValue = None
    list: str | None = None
    field: str | None = None
    when: str | None = None
    only_if: str | None = None
    earliest: str | None = None
    latest: str | None = None
    min: int | None = None
    max: int | None = None
    min_male: int | None = None
    min_female: int | None = None
    at: str | None = None
    from_: Annotated[str | None, Field(alias="from")] = None
    months: int | None = None
    table: str | None = None
    column: str | None = None
    severity: Literal["error", "warning"] = "error"


RULES: Mapping[str, frozenset[str]] = {
    "required": frozenset(),
    "required_if": frozenset({"when"}),
    "min": frozenset({"value"}),
    "max": frozenset({"value"}),
    "scale": frozenset({"value"}),
    "max_length": frozenset({"value"}),
    "pattern": frozenset({"value"}),
    "code_list": frozenset({"list"}),
    "resident_id": frozenset(),
    "uscc": frozenset(),
    "mobile": frozenset(),
    "luhn": frozenset(),
    "date_not_future": frozenset(),
    "date_range": frozenset(),
    "age_range": frozenset(),
    "sum_of": frozenset({"table", "column"}),
    "row_count_of": frozenset({"table"}),
    "min_rows": frozenset({"value"}),
    "max_rows": frozenset({"value"}),
    "unique_column": frozenset({"column"}),
    "equals": frozenset({"value"}),
    "equals_field": frozenset({"field"}),
    "not_less_than": frozenset({"field"}),
    "not_more_than": frozenset({"field"}),
    "max_span": frozenset({"from_", "months"}),
}
"""Every rule, with the parameters that it cannot do without."""


@record
class Derive:
    """A value computed from another one, such as the date of birth in an identity number. ``slice`` is half-open."""

    from_: Annotated[str, Field(alias="from")]
    slice: tuple[int, int]
    rule: str
    only_if: str | None = None


@record
class FormField:
    """A field of an item's form, or of a field group."""

    name: str
    label_zh: str
    label_en: str
    type: FieldType
    validators: tuple[Validator, ...] = ()
    when: str | None = None
    columns: tuple[Column, ...] = ()
    derive: Derive | None = None


@record
class FieldGroup:
    """Fields that many items share. ``scope`` is the root they live under: applicant, agent or form."""

    scope: Literal["applicant", "agent", "form"]
    name_zh: str
    name_en: str
    fields: tuple[FormField, ...]


@record
class ItemMaterial:
    """A paper that an item asks for."""

    material: str
    copies: int = 1
    original_check: bool = False
    required: bool = True
    trust_if_electronic: Literal["A", "B", "C", "D"] = "C"
    when: str | None = None


@record
class Join:
    """When a step with several predecessors opens. ``wait_for``: ``all`` or ``mandatory``."""

    wait_for: Literal["all", "mandatory"] = "all"
    mandatory: tuple[str, ...] = ()
    not_answered_after_working_days: int | None = None
    collect: str | None = None
    says: str = ""


CENTRE_TASKS = frozenset({"receive", "receive_accept", "accept_elsewhere", "review", "notice", "deliver", "hand_out"})
"""Tasks of a centre step that pages have a name for; an item may call others what it likes."""


@record
class Step:
    """环节: a node of the item's process. It never states a situation: that is the system's."""

    id: str
    kind: StepKind
    name_zh: str
    name_en: str
    after: tuple[str, ...] = ()
    when: str | None = None
    department: str | None = None
    system: str | None = None
    operation: str | None = None
    days: int = 0
    day_type: DayType = DayType.WORKING
    clock: Literal["running", "paused"] = "running"
    at: Literal["receiving", "accepting"] | None = None
    optional: bool = False
    task: str | None = None
    needs_paper: bool = False
    source_of: str | None = None
    join: Join | None = None


@record
class ResultDocument:
    """What the applicant receives in the end."""

    name_zh: str
    name_en: str


@record
class Item:
    """One version of a service in the catalogue. Immutable: another content needs another version.

    ``accepts``: the step that starts the clock. ``decides``: the step whose outcome decides the case.
    """

    code: str
    version: int
    valid_from: str
    name_zh: str
    name_en: str
    category_zh: str = ""
    owner: str
    applicant_type: str
    case_type: Literal["instant", "promised"]
    legal_days: int
    promised_days: int
    day_type: DayType = DayType.WORKING
    fee_cny: int = 0
    tongban: Literal["none", "district", "city_direct", "city_split"] = "none"
    accepts: str
    decides: str
    field_groups: tuple[str, ...] = ()
    form_fields: tuple[FormField, ...] = ()
    checks: tuple[Validator, ...] = ()
    materials: tuple[ItemMaterial, ...] = ()
    steps: tuple[Step, ...]
    result_document: ResultDocument | None = None
    notes: Fields | None = None


@record
class Code:
    """One entry of a code list."""

    code: str
    name_zh: str
    name_en: str
    valid_from: str | None = None
    valid_to: str | None = None


@record
class CodeList:
    """A closed list of codes, after a standard where there is one."""

    name_zh: str
    name_en: str
    standard: str | None = None
    codes: tuple[Code, ...]
