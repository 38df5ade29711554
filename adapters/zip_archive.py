"""Zip archives written the same every time and read without trust.

Nothing is unpacked to a disk. A reader takes exactly the names that it expects, stored or deflated, and stops at a budget that is
checked twice: against what the archive says, and against what really comes out. WinZip's AES-256 (AE-2: the file's own checksum
is left out, an HMAC stands in for it) is written and read; its salt is derived from password and content, so that the same batch
gives the same bytes.
"""

import hashlib
import hmac
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from adapters.record_verdicts import FileRejected
from contracts.records import record

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_AES_EXTRA = struct.Struct("<HHH2sBH")
_AES_METHOD, _AES_ID, _AES_256 = 99, 0x9901, 3
_SALT, _CHECK, _TAG = 16, 2, 10
_ROUNDS = 1000
"""WinZip's own number of rounds, in its AES specification; a long password has to make up for it."""


@record
class Budget:
    """What a reader accepts. ``unpacked``: bytes of all entries together."""

    entries: int
    unpacked: int


def packed(entries: Mapping[str, bytes], at: datetime, password: str | None = None) -> bytes:
    """An archive of ``entries`` in their order, each with the local time ``at``; encrypted where there is a password."""
    body, directory = b"", b""
    day = ((at.year - 1980) << 9) | (at.month << 5) | at.day
    time = (at.hour << 11) | (at.minute << 5) | (at.second // 2)
    for name, content in entries.items():
        raw = _deflated(content)
        method, flags, crc, extra = zipfile.ZIP_DEFLATED, 0, zlib.crc32(content), b""
        if password is not None:
            raw = _sealed(raw, password, salt_from=name.encode() + b"\0" + content)
            extra = _AES_EXTRA.pack(_AES_ID, 7, 2, b"AE", _AES_256, method)
            method, flags, crc = _AES_METHOD, 1, 0
        told = (method, time, day, crc, len(raw), len(content))
        version = 51 if password is not None else 20
        central = _CENTRAL.pack(b"PK\1\2", version, version, flags, *told, len(name), len(extra), 0, 0, 0, 0, len(body))
        directory += central + name.encode() + extra
        body += _LOCAL.pack(b"PK\3\4", version, flags, *told, len(name), len(extra)) + name.encode() + extra + raw
    count = len(entries)
    return body + directory + _END.pack(b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)


def unpacked(
    content: bytes, expected: frozenset[str], budget: Budget, password: str | None = None
) -> Mapping[str, bytes]:
    """Every entry by its name. Raises FileRejected: ``zip``, ``zip_name``, ``zip_entries``, ``zip_size``, ``zip_encrypted``,
    ``zip_not_encrypted``, ``zip_password``, ``zip_method``, ``zip_crc``."""
    _bounded(content, budget)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            _look_over(infos, expected, budget, encrypted=password is not None)
            return _contents(content, infos, budget, password)
    except (zipfile.BadZipFile, struct.error, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise FileRejected("zip", "the archive cannot be read") from error


def _bounded(content: bytes, budget: Budget) -> None:
    """The directory's size, before anything walks through it: 10^5 entries cost a second and 100 MB."""
    end = content[-_END.size :]
    if len(end) < _END.size or end[:4] != b"PK\5\6" or content[-42:-38] == b"PK\6\7":
        raise FileRejected("zip", "the archive does not end as it should, or needs ZIP64")
    _, _, _, _, entries, size, _, _ = _END.unpack(end)
    if entries > budget.entries or size > budget.entries * 1024:
        raise FileRejected("zip_entries", f"the archive has more than {budget.entries} entries")


def _look_over(infos: Sequence[zipfile.ZipInfo], expected: frozenset[str], budget: Budget, *, encrypted: bool) -> None:
    """What the directory of the archive says, before a byte of it is unpacked."""
    if len(infos) > budget.entries:
        raise FileRejected("zip_entries", f"the archive has more than {budget.entries} entries")
    names = [info.orig_filename for info in infos]
    if len(set(names)) != len(names) or not set(names) <= expected:
        raise FileRejected("zip_name", "the archive holds a name twice, or one that nobody expects")
    if any(stat.S_IFMT(info.external_attr >> 16) not in {0, stat.S_IFREG} for info in infos):
        raise FileRejected("zip_name", "the archive holds something that is no plain file")
    if sum(info.file_size for info in infos) > budget.unpacked:
        raise FileRejected("zip_size", f"the archive says that it unpacks to more than {budget.unpacked} bytes")
    for info in infos:
        if bool(info.flag_bits & 1) != encrypted:
            code = "zip_not_encrypted" if encrypted else "zip_encrypted"
            raise FileRejected(code, "the archive is not encrypted as was agreed")


def _contents(
    content: bytes, infos: Sequence[zipfile.ZipInfo], budget: Budget, password: str | None
) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    left = budget.unpacked
    for info in infos:
        raw, method, check_crc = _raw(content, info), info.compress_type, True
        if password is not None:
            method, check_crc = _aes(info)
            raw = _opened(raw, password)
        if method not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise FileRejected("zip_method", "an entry is packed in a way that was not agreed")
        data = _inflated(raw, left) if method == zipfile.ZIP_DEFLATED else raw
        if len(data) > left:
            raise FileRejected("zip_size", f"the archive unpacks to more than {budget.unpacked} bytes")
        if len(data) != info.file_size or (check_crc and zlib.crc32(data) != info.CRC):
            raise FileRejected("zip_crc", "an entry does not agree with its own checksum")
        left -= len(data)
        found[info.orig_filename] = data
    return found


def _raw(content: bytes, info: zipfile.ZipInfo) -> bytes:
    """An entry's packed bytes. Raises FileRejected (``zip``) where its two headers disagree or it is cut off."""
    signature, _, _, method, *_, name_size, extra_size = _LOCAL.unpack_from(content, info.header_offset)
    name_at = info.header_offset + _LOCAL.size
    start = name_at + name_size + extra_size
    raw = content[start : start + info.compress_size]
    name = content[name_at : name_at + name_size].decode("ascii", "replace")
    if signature != b"PK\3\4" or method != info.compress_type or name != info.orig_filename:
        raise FileRejected("zip", "an entry's two headers do not agree")
    if len(raw) != info.compress_size:
        raise FileRejected("zip", "an entry is cut off")
    return raw


def _deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def _inflated(raw: bytes, most: int) -> bytes:
    """At most one byte more than ``most``, whatever the entry would unpack to."""
    opener = zlib.decompressobj(-15)
    data = opener.decompress(raw, most + 1)
    if len(data) <= most and (not opener.eof or opener.unused_data):
        raise FileRejected("zip", "an entry does not end where its header says")
    return data


def _keys(password: str, salt: bytes) -> tuple[bytes, bytes, bytes]:
    """Key of the cipher, key of the HMAC, the two bytes that tell a wrong password early."""
    derived = hashlib.pbkdf2_hmac("sha1", password.encode(), salt, _ROUNDS, 64 + _CHECK)
    return derived[:32], derived[32:64], derived[64:]


def _mixed(raw: bytes, key: bytes) -> bytes:
    """AES in counter mode with WinZip's little-endian counter from 1, which the library's own counter mode does not have."""
    blocks = b"".join(number.to_bytes(16, "little") for number in range(1, -(-len(raw) // 16) + 1))
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - of distinct counters, never of text
    stream = (encryptor.update(blocks) + encryptor.finalize())[: len(raw)]
    return (int.from_bytes(raw) ^ int.from_bytes(stream)).to_bytes(len(raw))


def _sealed(raw: bytes, password: str, *, salt_from: bytes) -> bytes:
    salt = hmac.digest(password.encode(), salt_from, "sha256")[:_SALT]
    key, mac_key, check = _keys(password, salt)
    sealed = _mixed(raw, key)
    return salt + check + sealed + hmac.digest(mac_key, sealed, "sha1")[:_TAG]


def _opened(raw: bytes, password: str) -> bytes:
    salt, told, sealed, tag = raw[:_SALT], raw[_SALT : _SALT + _CHECK], raw[_SALT + _CHECK : -_TAG], raw[-_TAG:]
    key, mac_key, check = _keys(password, salt)
    if told != check:
        raise FileRejected("zip_password", "the archive was not made with the password that was agreed")
    if not hmac.compare_digest(hmac.digest(mac_key, sealed, "sha1")[:_TAG], tag):
        raise FileRejected("zip_crc", "an entry does not agree with its own authentication code")
    return _mixed(sealed, key)


def _aes(info: zipfile.ZipInfo) -> tuple[int, bool]:
    """How an encrypted entry is packed, and whether its checksum is there to be compared (AE-1). Raises FileRejected."""
    extra = info.extra
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        if kind == _AES_ID and size == 7 and len(extra) >= _AES_EXTRA.size and info.compress_type == _AES_METHOD:
            _, _, version, vendor, strength, method = _AES_EXTRA.unpack_from(extra)
            if vendor == b"AE" and strength == _AES_256 and version in {1, 2}:
                return method, version == 1
        extra = extra[4 + size :]
    raise FileRejected("zip_method", "an entry is not encrypted with AES-256")
