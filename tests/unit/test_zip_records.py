"""Archives: what is in them is what was agreed, however large they say they are and however they were made."""

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import pyzipper

from adapters.file_totals import FileFacts, digest_of
from adapters.record_layout import Cell, Columns
from adapters.record_verdicts import FileRejected, RecordRefused
from adapters.zip_records import ZipCsv, ZipPassword

COLUMNS = Columns(
    lead=(Cell(name="LSH"), Cell(name="operation")),
    operation_at=1,
    shapes={"JR01": (Cell(name="XM"), Cell(name="JE", kind="money")), "JR02": (Cell(name="XM"),)},
)
FORM = ZipCsv(encoding="GBK", columns=COLUMNS, quote='"', header_row=True, summary_name="summary.txt")
SEALED = replace(FORM, zip_password=ZipPassword(secret="jr", method="aes256"))
FACTS = FileFacts(at=datetime(2026, 11, 24, 15, 0, 2, tzinfo=UTC), secret={"jr": "样例 password"}.__getitem__)
ROWS = [("a1", "JR02", "样例"), ("a2", "JR01", "样,例", "120050"), ("a3", "JR02", "样例")]
JR01, JR02 = 'LSH,XM,JE\r\na2,"样,例",120050\r\n'.encode("gbk"), "LSH,XM\r\na1,样例\r\na3,样例\r\n".encode("gbk")
FILES = {
    "JR01.csv": JR01,
    "JR02.csv": JR02,
    "summary.txt": f"JR01.csv|!1|!{digest_of('md5', JR01)}\r\nJR02.csv|!2|!{digest_of('md5', JR02)}\r\n".encode(),
}


def archive(files: Mapping[str, bytes], **how: Any) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", **how) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return target.getvalue()


def encrypted(files: Mapping[str, bytes], password: str = "样例 password", bits: int = 256) -> bytes:
    target = io.BytesIO()
    with pyzipper.AESZipFile(target, "w", compression=zipfile.ZIP_DEFLATED, encryption=pyzipper.WZ_AES) as made:
        made.setpassword(password.encode())
        made.setencryption(pyzipper.WZ_AES, nbits=bits)
        for name, content in files.items():
            made.writestr(name, content)
    return target.getvalue()


def rejected(content: bytes, form: ZipCsv = FORM) -> str:
    with pytest.raises(FileRejected) as rejection:
        form.lines(content, facts=FACTS)
    return rejection.value.code


def test_an_archive_has_a_file_an_operation_and_a_summary_that_others_can_read() -> None:
    content = FORM.file([FORM.record(row) for row in ROWS], FACTS)
    with zipfile.ZipFile(io.BytesIO(content)) as made:
        assert made.testzip() is None
        assert {name: made.read(name) for name in made.namelist() if name != "summary.txt"} == {
            "JR01.csv": JR01,
            "JR02.csv": JR02,
        }
        assert sorted(made.read("summary.txt").splitlines()) == sorted(FILES["summary.txt"].splitlines())
        assert {info.date_time for info in made.infolist()} == {(2026, 11, 24, 15, 0, 2)}
    assert sorted(line.values for line in FORM.lines(content)) == sorted(ROWS)


def test_an_encrypted_archive_opens_with_its_password_only() -> None:
    content = SEALED.file([SEALED.record(row) for row in ROWS], FACTS)
    assert content == SEALED.file([SEALED.record(row) for row in ROWS], FACTS)
    assert "样例".encode("gbk") not in content
    with pyzipper.AESZipFile(io.BytesIO(content)) as made:
        made.setpassword("样例 password".encode())
        assert made.read("JR02.csv") == JR02
        assert {(info.wz_aes_version, info.wz_aes_strength) for info in made.infolist()} == {(2, 3)}
    assert sorted(line.values for line in SEALED.lines(content, facts=FACTS)) == sorted(ROWS)
    other = FileFacts(secret=lambda _: "another")
    with pytest.raises(FileRejected, match="zip_password"):
        SEALED.lines(content, facts=other)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_archives_made_by_others_are_read(method: int) -> None:
    assert sorted(line.values for line in FORM.lines(archive(FILES, compression=method))) == sorted(ROWS)
    assert sorted(line.values for line in SEALED.lines(encrypted(FILES), facts=FACTS)) == sorted(ROWS)


@pytest.mark.parametrize(
    "name",
    ["../JR01.csv", "/JR01.csv", "C:\\JR01.csv", "jr01.csv", "JR01.csv/", "inner/JR01.csv", "inner.zip", "样例.csv"],
    ids=repr,
)
def test_a_name_that_nobody_expects_rejects_the_archive(name: str) -> None:
    assert rejected(archive({name: b""})) == "zip_name"


def test_only_plain_files_once_each_are_taken() -> None:
    assert rejected(archive({"JR01.csv": b"", "JR02.csv": b""}).replace(b"JR02", b"JR01")) == "zip_name"
    link = zipfile.ZipInfo("JR01.csv")
    link.external_attr = 0o120777 << 16
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        made.writestr(link, b"/etc/passwd")
    assert rejected(target.getvalue()) == "zip_name"
    assert rejected(archive({f"{number}.csv": b"" for number in range(4)})) == "zip_entries"
    assert rejected(archive({f"{number:05d}{'x' * 900}": b"" for number in range(3000)})) == "zip_entries"
    four = archive({f"{number}.csv": b"" for number in range(4)})
    assert rejected(four[:-14] + struct.pack("<HH", 1, 1) + four[-10:]) == "zip_entries"


def test_a_bomb_is_refused_by_what_it_says_and_by_what_it_does() -> None:
    small = replace(FORM, max_unpacked_bytes=100_000, summary_name=None)
    bomb = archive({"JR01.csv": bytes(50_000_000)}, compression=zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    assert rejected(bomb, small) == "zip_size"
    # The same bomb that says of itself that it is small.
    place = bomb.index(b"PK\1\2") + 24
    assert rejected(bomb[:place] + struct.pack("<I", 10) + bomb[place + 4 :], small) == "zip_size"
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2_000_000
    both = archive({"JR01.csv": bytes(60_000), "JR02.csv": bytes(60_000)})
    assert rejected(both, small) == "zip_size"
    assert rejected(archive({"JR01.csv": bytes(100_001)}), small) == "zip_size"


def test_encryption_is_exactly_what_was_agreed() -> None:
    assert rejected(encrypted(FILES)) == "zip_encrypted"
    assert rejected(archive(FILES), SEALED) == "zip_not_encrypted"
    assert rejected(encrypted(FILES, password="x"), SEALED) == "zip_password"
    assert rejected(encrypted(FILES, bits=128), SEALED) == "zip_method"
    zipcrypto = bytearray(archive(FILES))
    for at in range(len(zipcrypto)):
        if zipcrypto[at : at + 4] == b"PK\1\2":
            zipcrypto[at + 8] |= 1
    assert rejected(bytes(zipcrypto), SEALED) == "zip_method"


def test_checksums_and_the_summary_are_compared() -> None:
    plain = archive(FILES)
    assert rejected(plain.replace(b"a1,", b"a9,")) == "zip_crc"
    locked = encrypted(FILES)
    at = locked.index(b"PK\1\2") - 20
    assert rejected(locked[:at] + bytes([locked[at] ^ 1]) + locked[at + 1 :], SEALED) == "zip_crc"
    for summary in (b"", b"JR01.csv|!1|!x\r\n", FILES["summary.txt"].replace(b"|!2|!", b"|!3|!"), b"\xff"):
        assert rejected(archive({**FILES, "summary.txt": summary})) == "summary"
    assert rejected(archive({name: FILES[name] for name in ("JR01.csv", "JR02.csv")})) == "summary"
    assert rejected(archive({name: FILES[name] for name in ("JR01.csv", "summary.txt")})) == "summary"
    assert rejected(archive({**FILES, "JR01.csv": b"LSH,XM\r\n"})) == "header"


@pytest.mark.parametrize("how", ["bzip2", "comment", "zip64", "no zip", "two headers", "cut entry", "not deflated"])
def test_an_archive_that_is_made_otherwise_is_rejected(how: str) -> None:
    content = archive(FILES, compression=zipfile.ZIP_DEFLATED)
    directory = content.index(b"PK\1\2")
    code = "zip"
    match how:
        case "bzip2":
            content, code = archive(FILES, compression=zipfile.ZIP_BZIP2), "zip_method"
        case "comment":
            content = content[:-2] + b"\3\0abc"
        case "zip64":
            content = content[:-22] + b"PK\6\7" + bytes(16) + content[-22:]
        case "no zip":
            content = b"LSH,XM\r\n" * 10
        case "two headers":
            content = content.replace(b"JR01.csv", b"JR02.csv", 1)
        case "cut entry":
            content = content[: directory + 20] + struct.pack("<I", 10**6) + content[directory + 24 :]
        case _:
            content = content[:30] + b"\xff" * 20 + content[50:]
    assert rejected(content) == code


def test_a_bad_line_is_a_verdict_and_keeps_its_number() -> None:
    broken = JR02.replace("样".encode("gbk"), b"\xff\xff", 1)
    lines = replace(FORM, summary_name=None).lines(archive({"JR02.csv": broken}))
    assert [(line.number, line.first, line.bad) for line in lines] == [(2, "a1", "encoding"), (3, "a3", "")]


def test_an_archive_without_records_may_be_empty() -> None:
    bare = replace(FORM, summary_name=None)
    assert bare.lines(bare.file([])) == []
    with pytest.raises(RecordRefused):
        bare.record(("a1", "JR09", "x"))
