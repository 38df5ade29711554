"""Where a key stands in a TOML text. tomllib keeps no positions, and a mistake without its line is a search.

Only asked after tomllib has read the text, so the scanner need not recognise wrong TOML.
"""

import re
from collections.abc import Mapping
from typing import TypeAlias

Location: TypeAlias = tuple[str | int, ...]
"""A path into a document: keys, and 0-based indices into arrays."""

ROOT: Location = ()

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\])*"|\'[^\']*\'|#[^\n]*|\n|[\[\]{},=]|[^\s\[\]{},=#"\']+|[^\S\n]+',
    re.DOTALL,
)
_KEY = re.compile(r'"(?:\\.|[^"\\])*"|\'[^\']*\'|[\w-]+')


def line_of(text: str, location: Location) -> int:
    """The 1-based line of ``location``, or of the nearest thing around it that exists; 0: the whole document."""
    found = positions(text)
    for length in range(len(location), 0, -1):
        if location[:length] in found:
            return found[location[:length]]
    return 0


def positions(text: str) -> Mapping[Location, int]:
    """The line of every key, table and array element of a correct TOML text."""
    return _Scanner(text).scan()


class _Scanner:
    """Walks over the tokens once. Methods take the index of a token and return the index behind what they read."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, int]] = []
        self.found: dict[Location, int] = {}
        self.tables: dict[Location, int] = {}
        line = 1
        for match in _TOKEN.finditer(text):
            token = match.group()
            if token == "\n" or not (token.isspace() or token.startswith("#")):  # noqa: S105 - a newline, no secret
                self.tokens.append((token, line))
            line += token.count("\n")
        self.tokens.append(("\n", line))

    def scan(self) -> Mapping[Location, int]:
        at, table = 0, ROOT
        while at < len(self.tokens):
            token, _ = self.tokens[at]
            if token == "\n":  # noqa: S105 - a newline, no secret
                at += 1
            elif token == "[":  # noqa: S105 - a bracket, no secret
                at, table = self.header(at)
            else:
                at = self.pair(at, table)
        return self.found

    def header(self, at: int) -> tuple[int, Location]:
        line = self.tokens[at][1]
        is_array = self.tokens[at + 1][0] == "["
        names, at = self.names(at + 1 + is_array, "]")
        path: Location = ()
        for name in names[:-1]:
            path += (name,)
            if path in self.tables:
                path += (self.tables[path],)
            else:
                self.found.setdefault(path, line)
        path += names[-1:]
        self.found.setdefault(path, line)
        if is_array:
            self.tables[path] = self.tables.get(path, -1) + 1
            path += (self.tables[path],)
            self.found[path] = line
        return at + is_array, path

    def pair(self, at: int, table: Location) -> int:
        line = self.tokens[at][1]
        names, at = self.names(at, "=")
        for length in range(1, len(names) + 1):
            self.found.setdefault(table + names[:length], line)
        return self.value(at, table + names)

    def names(self, at: int, until: str) -> tuple[tuple[str, ...], int]:
        start = at
        while self.tokens[at][0] != until:
            at += 1
        text = "".join(token for token, _ in self.tokens[start:at])
        return tuple(name.strip("\"'") for name in _KEY.findall(text)), at + 1

    def value(self, at: int, path: Location) -> int:
        token, line = self.tokens[at]
        if token not in {"[", "{"}:
            while self.tokens[at][0] not in {",", "]", "}", "\n"}:
                at += 1
            return at
        close, index = ("]" if token == "[" else "}"), 0  # noqa: S105 - a bracket, no secret
        at += 1
        while self.tokens[at][0] != close:
            token, line = self.tokens[at]
            if token in {",", "\n"}:
                index += token == ","  # noqa: S105 - a comma, no secret
                at += 1
            elif close == "}":
                at = self.pair(at, path)
            else:
                self.found[(*path, index)] = line
                at = self.value(at, (*path, index))
        return at + 1
