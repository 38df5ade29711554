"""A new department on paper: everything that its files say, from a contract file or from nothing but its situation."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from adapters.contract_dialect import DialectCode, dialect_of, expression, short_code, snake
from adapters.contract_outline import Outline, OutlineField, OutlineOperation
from contracts.catalogue import FieldType
from contracts.errors import OnedoorError
from contracts.records import record
from contracts.site_files import PROTOCOLS
from contracts.situation import Situation
from plugins.scaffold.matching import source_of


class DraftRefused(OnedoorError):
    """A department that cannot be written like this; the text says what can."""


@record
class DraftField:
    """A field of a request or an answer. ``source``: None in an answer; ``decide``: a person must look at it; ``path``: as in the outline."""

    name: str
    type: FieldType
    label: str
    required: bool = False
    source: str | None = None
    decide: bool = False
    max_length: int | None = None
    width_bytes: int | None = None
    code_list: str | None = None
    columns: Sequence["DraftField"] = ()
    path: str = ""
    repeats: bool = False


@record
class DraftOperation:
    """An operation with the item that calls it."""

    key: str
    item: str
    name: str
    label: str
    method: str
    path: str
    later: bool
    request: Sequence[DraftField]
    reply: Sequence[DraftField]

    @property
    def asked(self) -> Sequence[DraftField]:
        """What the item's form must ask for."""
        return [one for one in self.request if one.source is not None and one.source.startswith("form.")]

    @property
    def request_rows(self) -> Mapping[str, str]:
        """What lies where in the request; empty where everything lies at its top under its own name."""
        rows = {one.path or one.name: _listed(one) for one in self.request}
        return rows if any(one.path or one.repeats for one in self.request) else {}

    @property
    def reply_rows(self) -> Mapping[str, str]:
        """Which field lies where in the answer, for those that do not lie at its top."""
        return {one.name: _joined(one) for one in self.reply if one.path or one.repeats}


def _listed(field: DraftField) -> str:
    """The row of a request: a list of one where the contract has a list, and no list of nothing."""
    name = expression(field.name)
    return f"{name} && [{name}]" if field.repeats else name


def _joined(field: DraftField) -> str:
    """The row of an answer: what is repeated becomes one text; SOAP says a single value without its list."""
    place = expression(field.path or field.name)
    return f"{place} && join(', ', map(&to_string(@), [{place}][]))" if field.repeats else place


@record
class Draft:
    """A whole department. ``protocol``: rest, soap, file_drop or paper; ``facts``: for the channel's table.

    ``enquiry``: an operation that takes nothing but the delivery id; ``left_out``: those that cannot be deliveries; ``room`` and ``width``
    as the dialect has them.
    """

    name: str
    code: str
    title: str
    situation: Situation
    protocol: str
    base_path: str
    result_field: str
    result_guessed: bool
    code_width: int | None
    reference: tuple[str, str] | None
    reference_width: int | None
    room: int | None
    width: int
    codes: Sequence[DialectCode]
    operations: Sequence[DraftOperation]
    lists: Mapping[str, Sequence[str]]
    facts: Mapping[str, str]
    enquiry: str | None = None
    left_out: Sequence[str] = ()

    @property
    def system(self) -> str:
        """The key of the system."""
        return f"{self.code}-{self.name.replace('_', '-')}"


_FIRST = OutlineOperation(
    name="apply",
    label="办理",
    path="/apply",
    request=(
        OutlineField(name="applicant_name", required=True, label="申请人姓名", max_length=50, width_bytes=100),
        OutlineField(name="applicant_id_no", required=True, label="证件号码", max_length=30, width_bytes=30),
    ),
    reply=(
        OutlineField(name="decision_no", label="决定文号", width_bytes=40),
        OutlineField(name="reason", label="理由", width_bytes=100),
    ),
)
"""What every department can begin with: who applies; answered by a number and a reason."""


def draft(
    name: str, situation: Situation, outline: Outline | None, taken: frozenset[str], *, own_lists: bool = True
) -> Draft:
    """The department ``name``. ``taken``: department codes that the site has. Raises DraftRefused.

    ``own_lists``: whether the contract file's code lists may join the site's; a package cannot bring any, and takes codes as text.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,30}", name):
        raise DraftRefused(
            f"{name}: a name is a folder and a Python word: small letters, digits and _, such as water_supply"
        )
    code = short_code(name, taken)
    protocol = _protocol(situation, outline)
    outlined = outline.operations if outline else (_FIRST,)
    lists: dict[str, Sequence[str]] = {}
    outlined = outlined if own_lists else [replace(one, request=[_as_text(f) for f in one.request]) for one in outlined]
    speech = dialect_of(outlined, situation)
    if not speech.operations or (outline is not None and protocol != "paper" and speech.result is None):
        raise DraftRefused(
            "no field of its answers says how it went, so none could be believed: in the contract file list the values of"
            " the field that does, or in a copy of it name that field resultCode and give it its own name again in what is"
            " written; where one text travels inside another, begin without --from and see the page on SOAP"
        )
    _answerable(speech.codes)
    return Draft(
        name=name,
        code=code,
        title=outline.title if outline else name.replace("_", " "),
        situation=situation,
        protocol=protocol,
        base_path=outline.base_path if outline else f"/{name}",
        result_field=speech.result_field,
        result_guessed=speech.result_guessed,
        code_width=speech.result.width_bytes if speech.result else None,
        reference=speech.reference,
        reference_width=speech.reference_width,
        room=speech.room,
        width=speech.width,
        codes=speech.codes,
        operations=tuple(
            _operation(one, number, code, situation, speech.aside, lists, name)
            for number, one in enumerate(speech.operations, 1)
        ),
        enquiry=speech.enquiry,
        left_out=tuple(one.name for one in speech.left_out),
        lists=lists,
        facts={key: str(value) for key, value in (outline.facts if outline else {}).items()},
    )


def _answerable(codes: Sequence[DialectCode]) -> None:
    """A department that decides says yes and no. Raises DraftRefused."""
    known = {one.outcome for one in codes}
    for outcome in ("completed.granted", "completed.refused"):
        if outcome not in known:
            told = ", ".join(one.code for one in codes)
            raise DraftRefused(
                f"its result codes are {told}, and none of them can mean {outcome}: an operation that decides needs one;"
                " ask the department, and add the code to the list in the contract file"
            )


def _as_text(field: OutlineField) -> OutlineField:
    return replace(field, type="string" if field.type == "code" else field.type, codes=())


def _protocol(situation: Situation, outline: Outline | None) -> str:
    """A sheet can be made of any contract file; the others say themselves how they are spoken. Raises DraftRefused."""
    if situation is Situation.PAPER or outline is None:
        return "rest" if situation is Situation.API else situation.value
    if PROTOCOLS[outline.protocol] is not situation:
        raise DraftRefused(f"that file describes {outline.protocol}: say --situation {PROTOCOLS[outline.protocol]}")
    return outline.protocol


def _operation(
    outlined: OutlineOperation,
    number: int,
    code: str,
    situation: Situation,
    aside: frozenset[str],
    lists: dict[str, Sequence[str]],
    name: str,
) -> DraftOperation:
    request = tuple(_asked(one, lists, name) for one in outlined.request if one.place not in aside)
    reply = tuple(_told(one, situation) for one in outlined.reply if one.place not in aside)
    return DraftOperation(
        key=snake(outlined.name),
        item=f"{code}{number:03d}",
        name=outlined.name,
        label=outlined.label or outlined.name,
        method=outlined.method,
        path=outlined.path or f"/{snake(outlined.name)}",
        later=outlined.later or situation is not Situation.API,
        request=request,
        reply=reply,
    )


def _asked(field: OutlineField, lists: dict[str, Sequence[str]], name: str) -> DraftField:
    """A field of a request: from the case where the hub has it, else the item's form asks for it and a person decides."""
    source = source_of(field)
    code_list = None
    if field.codes and source is None:
        code_list = f"{name}_{snake(field.name)}"
        lists[code_list] = field.codes
    return DraftField(
        name=field.name,
        type=_plain(field, code_list),
        label=field.label or field.name,
        required=field.required,
        source=source or f"form.{snake(field.name)}",
        decide=source is None or bool(field.path),
        max_length=field.max_length,
        width_bytes=field.width_bytes,
        code_list=code_list,
        columns=tuple(_column(one) for one in field.columns),
        path=field.path,
        repeats=field.repeats,
    )


def _plain(field: OutlineField, code_list: str | None) -> FieldType:
    """A code without a list is text; so is an object, which no form can ask for as it stands."""
    if code_list:
        return "code"
    return "string" if field.type in ("code", "codes", "object") else field.type


def _told(field: OutlineField, situation: Situation) -> DraftField:
    """A field of an answer: what a system says may be as deep as it likes, what a person writes is text."""
    nested = situation is Situation.API and field.type == "object"
    # Rows that hold more than plain cells pass as they are: what is declared of a cell is plain.
    deep = situation is Situation.API and any(one.type in ("object", "table") or one.repeats for one in field.columns)
    return DraftField(
        name=field.name,
        type=field.type if nested else _plain(field, None),
        label=field.label or field.name,
        width_bytes=field.width_bytes,
        columns=() if deep else tuple(_column(one) for one in field.columns),
        path=field.path,
        repeats=field.repeats,
    )


def _column(field: OutlineField) -> DraftField:
    return DraftField(
        name=field.name,
        type=_plain(field, None) if field.type != "table" else "string",
        label=field.label or field.name,
        source=snake(field.name),
    )
