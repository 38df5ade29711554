"""What the tests of the SOAP channel share: systems in every style, their WSDL in a folder, an open gateway, scripted answers."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from adapters import soap
from adapters.soap_table import SoapTable
from contracts.delivery import Delivery
from contracts.records import adapter
from contracts.site import SystemFile
from simulators.soap import SoapDepartment, soap_department
from simulators.wsdl_text import wsdl_text
from tests.rest_world import ScriptedServer, World, http_answer

SECRETS = {"user": "hub", "password": "s:ecret/ü&<1>", "key": "a key & more"}
NAMESPACE = "urn:sample-city:xx-test"
ENVELOPES = {"1.1": "http://schemas.xmlsoap.org/soap/envelope/", "1.2": "http://www.w3.org/2003/05/soap-envelope"}

CODES = {
    "1": {"outcome": "completed.granted", "name_zh": "准予", "name_en": "granted"},
    "2": {"outcome": "completed.refused", "name_zh": "不予", "name_en": "refused"},
    "3": {"outcome": "returned", "name_zh": "退回", "name_en": "returned"},
    "-1": {"outcome": "temporary", "name_zh": "繁忙", "name_en": "busy"},
    "-9": {"outcome": "permanent", "name_zh": "有误", "name_en": "invalid"},
    "-7": {"outcome": "permanent", "name_zh": "重复", "name_en": "duplicate record", "duplicate": True},
}
CUT: dict[str, Any] = {
    "auth": {"kind": "api_key", "secrets": ["key"], "place": "argument"},
    "reference": {"in": "connection"},
    "binding_quirks": [
        {
            "kind": "string_cut_by_bytes",
            "argument": "arg0",
            "encoding": "GBK",
            "segments": [
                {"name": "system_code", "bytes": 12, "from": "setting", "value": "ONEDOOR"},
                {"name": "password", "bytes": 20, "from": "secret"},
                {"name": "table_name", "bytes": 8, "from": "wire.table"},
                {"name": "XM", "bytes": 20},
            ],
            "result": {"kind": "xml_in_string", "name": "return", "inner_declaration": "GBK"},
        }
    ],
}
IN_STRING: dict[str, Any] = {
    "binding_quirks": [{"kind": "xml_in_string", "argument": "inXml", "result": "outXml", "inner_declaration": "GBK"}]
}
TOKEN = {"kind": "usernametoken", "secrets": ["user", "password"]}
STYLES: dict[str, dict[str, Any]] = {
    "1.1 document/literal": {"auth": {**TOKEN, "password": "text"}},
    "1.2 document/literal": {"soap_version": "1.2", "auth": {**TOKEN, "password": "digest", "timestamp_seconds": 60}},
    "1.2 document/literal GB18030": {"soap_version": "1.2", "encoding": "GB18030"},
    "1.1 document/literal GBK": {"encoding": "GBK", "auth": {**TOKEN}},
    "1.1 rpc/literal": {"style": "rpc/literal", "auth": {"kind": "api_key", "secrets": ["key"]}},
    "1.2 rpc/literal": {"soap_version": "1.2", "style": "rpc/literal"},
    "1.1 rpc/encoded": {"style": "rpc/encoded", "auth": {**TOKEN, "password": "text"}},
    "compact dates, types everywhere": {
        "binding_quirks": [
            {"kind": "dates_as_yyyymmdd"},
            {"kind": "xsi_type_on_every_element"},
            {"kind": "source_ip_list"},
        ]
    },
    "XML in a string": IN_STRING,
    "XML in a string, compact dates": {
        "binding_quirks": [*IN_STRING["binding_quirks"], {"kind": "dates_as_yyyymmdd"}],
        "auth": TOKEN,
        "addressing": False,
    },
}


def operation(key: str = "now", answers: str = "at_once", **changes: Any) -> dict[str, Any]:
    """An operation with a field of each kind."""
    return {
        "key": key,
        "name_zh": key,
        "name_en": key,
        "purpose": "decide",
        "answers": answers,
        "request": [
            {"name": "XM", "source": "applicant.name", "type": "string", "required": True, "max_length": 50},
            {"name": "CSRQ", "source": "form.born_on", "type": "date"},
            {"name": "SR", "source": "form.income", "type": "money"},
            {"name": "RS", "source": "form.count", "type": "int"},
            {"name": "DB", "source": "form.flag", "type": "bool"},
            {"name": "LB", "source": "form.kinds", "type": "codes"},
            {
                "name": "CYLB",
                "source": "form.members",
                "type": "table",
                "columns": [{"name": "XM", "type": "string"}, {"name": "QSRQ", "type": "date"}],
            },
        ],
        "reply": [
            {"name": "decision_no", "type": "string"},
            {"name": "amount", "type": "money"},
            {"name": "valid_to", "type": "date"},
            {"name": "found", "type": "bool"},
            {"name": "months", "type": "int"},
            {"name": "kinds", "type": "codes"},
            {
                "name": "records",
                "type": "table",
                "columns": [{"name": "month", "type": "month"}, {"name": "base", "type": "money"}],
            },
        ],
        "result_codes": {"api": CODES},
        "wire": {"api": {"operation": key.capitalize(), "table": "HKB01"}},
        **changes,
    }


FIELDS: dict[str, Any] = {
    "XM": "样例㛃 & <𠮷>",
    "CSRQ": "1960-01-31",
    "SR": 1200.5,
    "RS": 3,
    "DB": True,
    "LB": ["01", "02"],
    "CYLB": [{"XM": "样例二", "QSRQ": "2020-02-29"}, {"XM": "样例三"}],
}


def cut_operation() -> dict[str, Any]:
    """One for an interface of fixed widths, which has room for a name only."""
    return operation(request=[{"name": "XM", "source": "applicant.name", "type": "string", "required": True}])


def system(
    operations: list[dict[str, Any]] | None = None, *, resend_is_safe: bool = True, later: bool = False, **table: Any
) -> SystemFile:
    """A system with one SOAP channel; ``table``: keys of ``[systems.channels.soap]``; ``later``: with enquiry and a list of results."""
    back = {
        "enquire_operation": "QueryResult",
        "later_replies": "poll",
        "poll": {"operation": "QueryResultList", "page_size": 2},
    }
    defaults = {
        "base_path": "/Service",
        "wsdl": "wsdl/XX-test.wsdl",
        "timeouts": {"connect_seconds": 1, "total_seconds": 2},
        **(back if later else {}),
    }
    return adapter(SystemFile).validate_python(
        {
            "key": "XX-test",
            "name_zh": "样例系统",
            "name_en": "Sample system",
            "result_field": "JGDM",
            "channels": [{"situation": "api", "resend_is_safe": resend_is_safe, "soap": {**defaults, **table}}],
            "operations": operations or [operation(), *([operation("later", "later")] if later else [])],
        }
    )


def table_of(of: SystemFile) -> SoapTable:
    """The table of its channel."""
    return SoapTable.model_validate(dict(of.channels[0].soap or {}))


def vendored(of: SystemFile, folder: Path) -> Path:
    """``folder`` with the system's WSDL in its place."""
    path = folder / table_of(of).wsdl
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(wsdl_text(of, table_of(of)), encoding="utf-8")
    return folder


def delivery(key: str = "now", **changes: Any) -> Delivery:
    """A delivery of the sample system."""
    values: dict[str, Any] = {
        "id": uuid4(),
        "system": "XX-test",
        "operation": key,
        "round": 1,
        "case_no": "C1",
        "item": "X001",
        "item_version": 1,
        "step": "s1",
        "centre": "Z1",
        "attempt": 1,
        "send_before": datetime.now(UTC) + timedelta(minutes=1),
        "fields": FIELDS,
    }
    return Delivery(**{**values, **changes})


@asynccontextmanager
async def gateway(
    of: SystemFile,
    folder: Path,
    url: str,
    *,
    secrets: Mapping[str, str] = SECRETS,
    world: World | None = None,
    **place: Any,
) -> AsyncIterator[soap.SoapGateway]:
    """The open channel of a system."""
    channel = soap.make(of, of.channels[0], folder=folder)
    async with channel.open({"url": url, **place}, world or World(secrets)) as opened:
        assert isinstance(opened, soap.SoapGateway)
        yield opened


@asynccontextmanager
async def pair(
    of: SystemFile, folder: Path, **department: Any
) -> AsyncIterator[tuple[soap.SoapGateway, SoapDepartment]]:
    """A gateway and the simulated department behind it."""
    vendored(of, folder)
    settings: dict[str, Any] = {"secret": SECRETS.__getitem__, "shares": {}, **department}
    async with soap_department(of, folder=folder, **settings) as running, gateway(of, folder, running.url) as opened:
        yield opened, running


def envelope(body: str, version: str = "1.1", header: str = "") -> str:
    """An envelope around a body."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="{ENVELOPES[version]}" xmlns:t="{NAMESPACE}">'
        f"{f'<e:Header>{header}</e:Header>' if header else ''}<e:Body>{body}</e:Body></e:Envelope>"
    )


def answer(inner: str, name: str = "NowResponse") -> str:
    """A document/literal answer with those elements."""
    return envelope(f'<{name} xmlns="{NAMESPACE}">{inner}</{name}>')


def granted(delivery_id: UUID | str) -> str:
    """A good one."""
    return answer(f"<LSH>{delivery_id}</LSH><JGDM>1</JGDM><decision_no>样例1</decision_no><amount>12.50</amount>")


def fault11(code: str, detail: str = "") -> str:
    """A SOAP 1.1 fault."""
    return envelope(
        f"<e:Fault><faultcode>{code}</faultcode><faultstring>样例</faultstring>"
        f"{f'<detail>{detail}</detail>' if detail else ''}</e:Fault>"
    )


def fault12(code: str, subcode: str = "", detail: str = "") -> str:
    """A SOAP 1.2 fault."""
    inner = f"<e:Subcode><e:Value>{subcode}</e:Value></e:Subcode>" if subcode else ""
    return envelope(
        f"<e:Fault><e:Code><e:Value>{code}</e:Value>{inner}</e:Code><e:Reason><e:Text xml:lang='zh'>样例</e:Text></e:Reason>"
        f"{f'<e:Detail>{detail}</e:Detail>' if detail else ''}</e:Fault>",
        "1.2",
    )


def scripted(content: str | bytes, status: str = "200 OK", *headers: str) -> ScriptedServer:
    """A server that gives that answer to everything."""
    body = content.encode() if isinstance(content, str) else content
    return ScriptedServer(lambda _number: http_answer(body, status, *headers))
