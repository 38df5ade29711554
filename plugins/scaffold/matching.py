"""Where the hub has the value of a field that a contract file asks for. A guess by name; what it does not know, a person must say."""

from collections.abc import Mapping

from adapters.contract_dialect import folded
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


def source_of(field: OutlineField) -> str | None:
    """Where the hub has the value; None: a person must say, and until then the form asks for it."""
    name = folded(field.name)
    return next((source for source, names in SOURCES.items() if name in names), None)
