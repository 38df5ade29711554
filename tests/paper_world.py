"""What the tests of the paper channel share: a department on paper, a delivery to it, numbered sheets, PDFs."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pypdfium2

from adapters import paper
from adapters.paper import PaperGateway
from contracts.catalogue import CodeList
from contracts.delivery import AwaitingReply, Delivery, Document
from contracts.records import adapter
from contracts.site import SystemFile
from contracts.task_sheet import NumberedSheet, TaskSheet, content_hash, sheet_code
from tests.rest_world import World

IDENTITY_NUMBER = "31010119950606991X"
RARE_NAME = "样例𠮷㛃䶮·买买提"
CASE_NO = "310101901202611230000017"
MAC = bytes(range(16))
NUMBER = "7K3M9QX2ABCD"
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)

_CODES = {
    "A": {"outcome": "completed.granted", "name_zh": "同意", "name_en": "agreed"},
    "B": {"outcome": "completed.refused", "name_zh": "不同意", "name_en": "not agreed"},
    "C": {"outcome": "returned", "name_zh": "补正", "name_en": "papers missing"},
    "E": {"outcome": "temporary", "name_zh": "交办单遗失或污损，补打", "name_en": "sheet lost or spoilt, print again"},
    "F": {"outcome": "permanent", "name_zh": "不属本部门", "name_en": "not this department"},
}

CODE_LISTS = {
    "legal_matter": adapter(CodeList).validate_python(
        {
            "name_zh": "事由",
            "name_en": "Matter",
            "codes": [{"code": "03", "name_zh": "赡养", "name_en": "Support of parents"}],
        }
    )
}


def field(name: str, kind: str, label_zh: str, label_en: str, source: str = "", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "source": source or f"form.{name}",
        "type": kind,
        "label_zh": label_zh,
        "label_en": label_en,
        **more,
    }


REQUEST = [
    field("applicant_name", "string", "申请人姓名", "Applicant name", "applicant.name", required=True),
    field("SFZH", "string", "证件号码", "Identity number", "applicant.id_no", required=True),
    field("matter", "code", "申请事由", "Matter", code_list="legal_matter"),
    field("kinds", "codes", "类别", "Kinds", code_list="unknown_list"),
    field("income", "money", "月收入", "Monthly income"),
    field("urgent", "bool", "是否紧急", "Urgent"),
    field("remarks", "string", "情况说明", "Remarks"),
    field(
        "children",
        "table",
        "子女",
        "Child",
        columns=[
            {"name": "XM", "source": "name", "type": "string", "label_zh": "姓名", "label_en": "name"},
            {
                "name": "ZJHM",
                "source": "id_no",
                "type": "string",
                "label_zh": "证件号码",
                "label_en": "identity number",
            },
        ],
    ),
    field("detail", "object", "其他", "Other"),
]

REPLY = [
    {"name": "amount", "type": "money", "label_zh": "核定月补助金额合计", "label_en": "Monthly amount in total"},
    {"name": "reason", "type": "string", "label_zh": "理由", "label_en": "Reason"},
    {"name": "valid_until", "type": "date", "label_zh": "有效期至", "label_en": "Valid until"},
    {"name": "level", "type": "int", "label_zh": "等级", "label_en": "Level"},
    {"name": "found", "type": "bool", "label_zh": "是否查得", "label_en": "Found"},
    {"name": "kinds", "type": "codes", "label_zh": "类别", "label_en": "Kinds"},
    {"name": "decision_no", "type": "string", "label_zh": "决定文号", "label_en": "Decision number"},
]

FIELDS: dict[str, Any] = {
    "applicant_name": RARE_NAME,
    "SFZH": IDENTITY_NUMBER,
    "matter": "03",
    "income": "1234.50",
    "urgent": True,
}


def system(operation: dict[str, Any] | None = None, **table: Any) -> SystemFile:
    """A system on paper with one operation; ``table``: keys of ``[systems.channels.paper]``."""
    legal_aid = {
        "key": "legal_aid",
        "name_zh": "法律援助审查",
        "name_en": "Decide on legal aid",
        "purpose": "decide",
        "answers": "later",
        "request": REQUEST,
        "reply": REPLY,
        "result_codes": {"paper": _CODES},
        "wire": {"paper": {"sheet": "SF-AID-01"}},
        **(operation or {}),
    }
    by_api = {**legal_aid, "key": "by_api_only", "wire": {"api": {"path": "/x"}}, "result_codes": {}}
    return adapter(SystemFile).validate_python(
        {
            "key": "SF-aid",
            "name_zh": "法律援助窗口",
            "name_en": "Legal aid desk",
            "channels": [{"situation": "paper", "resend_is_safe": True, "paper": table}],
            "operations": [legal_aid, by_api],
        }
    )


@asynccontextmanager
async def gateway(file: SystemFile | None = None, *, with_lists: bool = True) -> AsyncIterator[PaperGateway]:
    found = file or system()
    channel = paper.make(found, found.channels[0], CODE_LISTS if with_lists else None)
    async with channel.open({}, World()) as opened:
        yield cast(PaperGateway, opened)


def delivery(**changes: Any) -> Delivery:
    values: dict[str, Any] = {
        "id": UUID(int=7),
        "system": "SF-aid",
        "operation": "legal_aid",
        "round": 1,
        "case_no": CASE_NO,
        "item": "SF001",
        "item_version": 1,
        "step": "s3",
        "centre": "310101901",
        "attempt": 1,
        "send_before": NOON + timedelta(days=1),
        "fields": FIELDS,
        "materials": [
            Document(key="", kind="m01", name="居民户口簿", media_type="", size=0, originals=1, copies=1, pages=6),
            Document(key="k", kind="起诉状", name="", media_type="application/pdf", size=9, copies=2, pages=4),
        ],
    }
    return Delivery(**(values | changes))


async def a_sheet(open_gateway: PaperGateway, **changes: Any) -> TaskSheet:
    outcome = await open_gateway.deliver(delivery(**changes))
    assert isinstance(outcome, AwaitingReply)
    assert outcome.task_sheet is not None
    return outcome.task_sheet


def numbered(sheet: TaskSheet, **changes: Any) -> NumberedSheet:
    number, version = changes.get("number", NUMBER), changes.get("version", 1)
    values: dict[str, Any] = {
        "sheet": sheet,
        "number": number,
        "version": version,
        "code": sheet_code(number, version, MAC),
        "content_hash": content_hash(sheet),
        "print_no": 1,
        "printed_at": NOON,
        "case_no": CASE_NO,
        "item_name": "法律援助申请",
        "centre_name": "黄浦区样例街道社区事务受理服务中心",
        "department_name": "黄浦区司法局",
        "received_at": NOON - timedelta(days=3),
        "due_at": NOON + timedelta(days=4),
        "lamp": "yellow",
        "clerk": "受理员 0317",
    }
    return NumberedSheet(**(values | changes))


def words_of(pdf: bytes) -> list[str]:
    """The text of each page, as a person would copy it out of a viewer."""
    document = pypdfium2.PdfDocument(io.BytesIO(pdf))
    try:
        return [page.get_textpage().get_text_range() for page in document]
    finally:
        document.close()
