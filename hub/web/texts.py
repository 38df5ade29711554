"""Texts for people. The English sentence in code and template is the key (gettext); ``locale/zh_CN/*.po`` hold the Chinese.

One file a page group. They are read as they are: nothing is compiled, and Babel is not needed. A test counts what is missing.
"""

import ast
import gettext
import io
import struct
from functools import cache
from pathlib import Path

LANGUAGES = {"zh": "zh-CN", "en": "en"}
"""Our name of a language -> its name in HTML (BCP 47). The first one is what a new browser gets."""

FOLDER = Path(__file__).parent / "locale"
_CONTEXT = "\x04"
_HEAD = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=1; plural=0;\n"


@cache
def translations(language: str) -> gettext.NullTranslations:
    """The catalogue of a language; English is the language of the keys and needs none."""
    if language == "en":
        return gettext.NullTranslations()
    merged: dict[str, str] = {}
    for file in sorted((FOLDER / "zh_CN").glob("*.po")):
        merged.update(read(file))
    return gettext.GNUTranslations(io.BytesIO(_compiled(merged)))


def read(file: Path) -> dict[str, str]:
    """The messages of a ``.po`` file by their key: after the context and U+0004, before NUL and the plural, where there are such."""
    found: dict[str, str] = {}
    entry: dict[str, str] = {}
    last = ""
    for line in [*file.read_text(encoding="utf-8").splitlines(), ""]:
        word, _, rest = line.partition(" ")
        if line.startswith('"'):
            entry[last] += ast.literal_eval(line)
        elif word in _WORDS:
            if word in ("msgctxt", "msgid") and "msgstr" in entry:
                _take(entry, found)
                entry = {}
            last = _WORDS[word]
            entry[last] = ast.literal_eval(rest)
    _take(entry, found)
    return found


_WORDS = {
    "msgctxt": "msgctxt",
    "msgid": "msgid",
    "msgid_plural": "plural",
    "msgstr": "msgstr",
    "msgstr[0]": "msgstr",  # Chinese has one form for all numbers
}


def _take(entry: dict[str, str], found: dict[str, str]) -> None:
    if entry.get("msgid"):
        context = f"{entry['msgctxt']}{_CONTEXT}" if entry.get("msgctxt") else ""
        plural = f"\0{entry['plural']}" if entry.get("plural") else ""
        found[f"{context}{entry['msgid']}{plural}"] = entry.get("msgstr", "")


def _compiled(messages: dict[str, str]) -> bytes:
    """The bytes of a ``.mo`` file (GNU gettext manual, "The Format of GNU MO Files"), which the standard library reads."""
    pairs = sorted({"": _HEAD, **{key: text for key, text in messages.items() if text}}.items())
    start = 28 + 16 * len(pairs)
    ids, texts = bytearray(), bytearray()
    id_table, text_table = [], []
    for key, text in pairs:
        id_table.append((len(key.encode()), len(ids)))
        ids += key.encode() + b"\0"
        text_table.append((len(text.encode()), len(texts)))
        texts += text.encode() + b"\0"
    numbers = [(length, start + offset) for length, offset in id_table]
    numbers += [(length, start + len(ids) + offset) for length, offset in text_table]
    head = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    return head + b"".join(struct.pack("<2I", *pair) for pair in numbers) + bytes(ids) + bytes(texts)


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for "translate later"
    """Marks a sentence for the catalogue where it is written; it is translated where it is shown."""
    return text
