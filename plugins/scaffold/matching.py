"""What can be guessed of a contract file: where a field comes from, which field carries the result, which one the delivery id.

A guess is a beginning. What a person must decide is marked in the file that is written.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from adapters.contract_outline import OutlineField

SOURCES: Mapping[str, frozenset[str]] = {
    "applicant.name": frozenset({"name", "xm", "applicantname", "fullname", "xingming", "sqrxm", "personname"}),
    "applicant.id_no": frozenset(
        {"idno", "sfzh", "zjhm", "idcard", "idnumber", "applicantidno", "identityno", "sfzhm", "sqrzjhm", "gmsfhm"}
    ),
    "applicant.id_type": frozenset({"idtype", "zjlx", "applicantidtype"}),
    "applicant.sex": frozenset({"sex", "gender", "xb"}),
    "applicant.birth_date": frozenset({"birthdate", "birthday", "csrq", "dateofbirth"}),
    "applicant.mobile": frozenset({"mobile", "phone", "sjhm", "lxdh", "telephone", "applicantmobile", "contactphone"}),
    "applicant.address": frozenset({"address", "lxdz", "dz", "applicantaddress", "contactaddress", "zz"}),
    "case_no": frozenset({"caseno", "casenumber", "bjbh"}),
    "item_code": frozenset({"itemcode", "sxbm"}),
    "accepted_at": frozenset({"acceptedat", "slsj"}),
    "accepting_centre": frozenset({"acceptingcentre", "slzx"}),
}
"""Folded names (letters and digits, lower case) by where the hub has the value."""

_REFERENCES = ("lsh", "deliveryid", "requestid", "messageid", "msgid", "serialno", "ywlsh", "transactionid", "bizid")
_RESULTS = ("jgdm", "resultcode", "retcode", "returncode", "rescode", "code", "result", "status", "state")
_MEANINGS: Sequence[tuple[str, frozenset[str]]] = (
    (
        "completed.granted",
        frozenset({"0", "00", "000", "0000", "1", "ok", "success", "granted", "approved", "accepted", "s"}),
    ),
    ("completed.refused", frozenset({"refused", "rejected", "denied", "declined", "10", "0001", "n"})),
    ("returned", frozenset({"returned", "incomplete", "20", "0002"})),
    ("temporary", frozenset({"busy", "retry", "unavailable", "99", "9001", "pending"})),
)


def folded(name: str) -> str:
    """A name as it is compared: letters and digits only, in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def snake(name: str) -> str:
    """A name of ours for one of theirs: ``meterNo`` and ``METER_NO`` are ``meter_no``."""
    parts = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    found = re.sub(r"[^a-z0-9]+", "_", parts.lower()).strip("_")
    return found if re.match(r"[a-z]", found) else f"f_{found}"


def source_of(field: OutlineField) -> str | None:
    """Where the hub has the value; None: a person must say, and until then the form asks for it."""
    name = folded(field.name)
    return next((source for source, names in SOURCES.items() if name in names), None)


def reference_of(request: Iterable[OutlineField], reply: Iterable[OutlineField]) -> tuple[str, str] | None:
    """The field of the request that can carry the delivery id, and that of the answer that repeats it."""
    asked = {folded(one.name): one.name for one in request}
    told = {folded(one.name): one.name for one in reply}
    return next(((asked[name], told[name]) for name in _REFERENCES if name in asked and name in told), None)


def result_of(reply: Sequence[OutlineField]) -> OutlineField | None:
    """The field of an answer that says how it went."""
    by_name = {folded(one.name): one for one in reply}
    return next((by_name[name] for name in _RESULTS if name in by_name), None)


def meaning_of(code: str) -> str | None:
    """What a code probably means; None: a person must say."""
    return next((meaning for meaning, codes in _MEANINGS if code.lower() in codes), None)
