"""One system for each layout, declared as the departments of a city declare them."""

import tomllib
from dataclasses import replace
from typing import Any
from uuid import uuid4

from contracts.catalogue import Operation
from contracts.delivery import Delivery
from contracts.records import adapter
from contracts.site import SystemFile
from contracts.situation import Situation
from tests.file_world import CODES, SEALED_AT

FIXED_GBK = """
format = "fixed"
encoding = "GBK"
record = { widths = "bytes", pad_text = "space right", pad_number = "zero left", eol = "CRLF", record_type = { name = "LX", width = 1, value = "D" } }
trailer = { record_type = "T", fields = [{ name = "rows", width = 8 }, { name = "amount_cents", width = 15 }] }
fee_cents_per_row = 12000
out = { pattern = "HSJJ.{date:%Y%m%d}.{seq:04d}" }
back = { pattern = "HSJJ.R.{date:%Y%m%d}.{seq:04d}", record = ["reference", "code", "fields"], stable_seconds = 0.2 }
auth = { password = "sftp_password" }
"""
FIXED_GB18030 = """
format = "fixed"
encoding = "GB18030"
record = { widths = "bytes", pad_text = "space right", pad_number = "zero left", eol = "LF", operation_code = { name = "JYM", width = 4 } }
header = { record_type = "H", fields = [{ name = "date", width = 8 }, { name = "rows", width = 8 }] }
trailer = { record_type = "T", fields = [{ name = "rows", width = 8 }, { name = "md5", width = 32 }] }
out = { pattern = "GJJ_{date:%Y%m%d%H%M}_{seq:02d}.dat" }
control_file = { suffix = ".ctl", content = ["name", "bytes", "rows", "md5"] }
back = { pattern = "GJJ_R_{date:%Y%m%d%H%M}_{seq:02d}.dat", control_file = { suffix = ".ctl", content = ["name", "bytes", "rows", "md5"] } }
auth = { password = "sftp_password" }
"""
DBF = """
format = "dbf"
encoding = "GBK"
record = { dialect = "dbase3", code_page_byte = 0x4D, name_max = 10, file_name = "8.3", dates = "yyyymmdd", deleted_rows = "skip", operation_column = "YWLX" }
on_unencodable = "paper"
out = { pattern = "GH{date:%m%d}{seq:02d}.DBF", sequence_max = 99 }
control_file = { suffix = ".flg" }
back = { pattern = "GR{date:%m%d}{seq:02d}.DBF", control_file = { suffix = ".flg" } }
auth = { password = "sftp_password" }
"""
XML = """
format = "xml"
encoding = "GB18030"
record = { root = "Package", head = ["batch", "rows", "sent_at"], row = "Body/Row", operation_attribute = "ywlx" }
out = { pattern = "SC_{date:%Y%m%d}_{seq:03d}.xml" }
control_file = { suffix = ".xml.ok", content = ["rows", "sm3"] }
back = { pattern = "SC_R_{date:%Y%m%d}_{seq:03d}.xml", control_file = { suffix = ".xml.ok", content = ["rows", "sm3"] } }
auth = { password = "sftp_password" }
"""
ZIP_CSV = """
format = "zip_csv"
encoding = "GBK"
record = { delimiter = ",", quote = '"', eol = "CRLF", header_row = true, inner_name = "{operation}.csv", summary_name = "summary.txt", summary_delimiter = "|!", zip_password = { secret = "zip_password", method = "aes256" } }
on_unencodable = "substitute"
substitutes = { "㛃" = "[女丯]" }
out = { pattern = "JRXC_{date:%Y%m%d}_{seq:02d}.zip" }
control_file = { suffix = ".ok", content = ["rows", "md5"] }
back = { pattern = "JRXC_R_{date:%Y%m%d}_{seq:02d}.zip", control_file = { suffix = ".ok", content = ["rows", "md5"] } }
auth = { password = "sftp_password" }
"""
CSV_WITH_TRAILER = """
format = "csv"
encoding = "GBK"
record = { delimiter = "|!", eol = "CRLF", header_row = false }
trailer = { record_type = "END", fields = [{ name = "rows" }] }
out = { pattern = "WJ_{date:%Y%m%d}_{seq:03d}.txt" }
control_file = { suffix = ".ok", content = ["rows", "md5"] }
back = { pattern = "WJ_JG_{date:%Y%m%d}_{seq:03d}.txt", control_file = { suffix = ".ok", content = ["rows", "md5"] } }
auth = { password = "sftp_password" }
"""
LAYOUTS = {
    "fixed GBK": FIXED_GBK,
    "fixed GB18030": FIXED_GB18030,
    "dbf": DBF,
    "xml": XML,
    "zip_csv": ZIP_CSV,
    "csv with trailer": CSV_WITH_TRAILER,
}

OPERATIONS = """
[[operations]]
key = "withdrawal"
name_zh = "提取"
name_en = "Withdrawal"
purpose = "decide"
answers = "later"
request = [
    { name = "XM", source = "applicant.name", type = "string", required = true, width_bytes = 24 },
    { name = "SFZH", source = "applicant.id_no", type = "string", width_bytes = 18 },
    { name = "RENT", source = "form.rent", type = "money", width_bytes = 15 },
    { name = "RETIRE_DATE", source = "form.retired_on", type = "date", width_bytes = 8 },
    { name = "EMPLOYED", source = "form.employed", type = "bool", width_bytes = 1 },
    { name = "PAY_DAY", source = "form.pay_day", type = "int", width_bytes = 8 },
]
reply = [
    { name = "amount_paid", type = "money", width_bytes = 15 },
    { name = "decision_no", type = "string", width_bytes = 60 },
    { name = "visit_on", type = "date", width_bytes = 8 },
    { name = "found", type = "bool", width_bytes = 1 },
]
wire = { file_drop = { operation_code = "1003" } }

[[operations]]
key = "statement"
name_zh = "证明"
name_en = "Statement"
purpose = "check"
answers = "later"
request = [{ name = "XM", source = "applicant.name", type = "string", required = true, width_bytes = 24 }]
reply = [{ name = "months", type = "int", width_bytes = 8 }, { name = "reason", type = "string", width_bytes = 60 }]
wire = { file_drop = { operation_code = "1002" } }
"""


def table_of(name: str, **changes: Any) -> dict[str, Any]:
    """A channel's table, timeouts short enough for a test."""
    timeouts = {"connect_seconds": 2, "channel_seconds": 2, "total_seconds": 5}
    return {**tomllib.loads(LAYOUTS[name]), "timeouts": timeouts, **changes}


def operations_of(table: dict[str, Any]) -> tuple[Operation, ...]:
    """Both operations, or the first where records do not tell them apart."""
    both = tuple(
        replace(adapter(Operation).validate_python(one), result_codes={Situation.FILE_DROP: CODES})
        for one in tomllib.loads(OPERATIONS)["operations"]
    )
    alone = "operation" not in table["back"].get("record", ["operation"])
    return both[:1] if alone else both


def system_with(table: dict[str, Any]) -> SystemFile:
    """A system with that one channel."""
    channel = {
        "situation": "file_drop",
        "resend_is_safe": True,
        "batching": {"max_size": 5000, "cut_offs": ["17:00"]},
        "file_drop": table,
    }
    system = adapter(SystemFile).validate_python(
        {
            "key": "SAMPLE",
            "name_zh": "样例系统",
            "name_en": "Sample system",
            "result_field": "JGDM",
            "channels": [channel],
            "operations": [],
        }
    )
    return replace(system, operations=operations_of(table))


def delivery_with(operation: str = "withdrawal", **fields: Any) -> Delivery:
    """A delivery of one of the two operations."""
    usual: dict[str, Any] = {
        "XM": "样例·某",
        "SFZH": "310101199001019918",
        "RENT": "1200.50",
        "RETIRE_DATE": "2026-01-05",
        "EMPLOYED": True,
        "PAY_DAY": 7,
    }
    return Delivery(
        id=uuid4(),
        system="SAMPLE",
        operation=operation,
        round=1,
        case_no="C1",
        item="I1",
        item_version=1,
        step="s1",
        centre="310101",
        attempt=1,
        send_before=SEALED_AT,
        fields={**(usual if operation == "withdrawal" else {"XM": "样例"}), **fields},
    )
