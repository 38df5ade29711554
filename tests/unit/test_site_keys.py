"""The JSON Schemas of a site's files and the manual's reference of their keys are those of the code, and mean what it means."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import IO, Any

import pytest
from jsonschema import Draft7Validator
from typer.testing import CliRunner

from contracts.errors import OnedoorError
from plugins.site_keys import pages
from plugins.site_keys.command import app
from plugins.site_keys.composing import FILES, meanings, schema_files, schemas
from plugins.toml_departments import sample_site
from tests.site_schemas import mistakes_told_by_the_schema, plain, schema_named_in
from tests.unit.test_site_mistakes import PLANTED, Planted

ROOT = Path(__file__).parents[2]
SITES = (ROOT / "plugins", ROOT / "deploy/sites/xihu")
SCHEMAS = schemas()
CHECKS = {name: Draft7Validator(schema) for name, schema in SCHEMAS.items()}
CODE = ("scaffold", "site_keys")
"""Folders beside the sample city's departments that hold code."""

BEYOND_A_SCHEMA = re.compile(
    "is there twice|^another (department|system|file)|^not a (JMESPath|regular)|belongs to|nothing here gives"
    "|^no (code list|department|field group|material|operation|step|system)|answers later|decides nothing|is not among"
    "|a case has no|^in quotes$|^no usual task|must stand before|^more than the law|must be named|is not in 2026|is a holiday too|has a parent"
)
"""What needs another file, another entry of a list, arithmetic, or a language of its own: only `onedoor check` can tell."""


def files() -> Iterator[Path]:
    """Every file of the bundled sites that a schema describes."""
    for site in SITES:
        for file in sorted(site.rglob("*.toml")):
            if file.relative_to(site).parts[0] not in CODE:
                yield file


def test_the_published_schemas_equal_what_the_code_gives() -> None:
    """If this fails, run ``onedoor schema --site plugins`` and commit what it wrote."""
    folder = sample_site() / "schemas"
    assert {file.name: file.read_text("utf-8") for file in folder.iterdir()} == dict(schema_files())


@pytest.mark.parametrize("name", pages.PAGES)
def test_the_reference_in_the_manual_equals_what_the_code_gives(name: str) -> None:
    """If this fails, run ``python -m plugins.site_keys.pages docs/reference`` and commit what it wrote."""
    assert (ROOT / "docs/reference" / name).read_text("utf-8") == pages.page(name)


@pytest.mark.parametrize("name", FILES)
def test_a_schema_is_one_and_says_what_every_key_means(name: str) -> None:
    Draft7Validator.check_schema(SCHEMAS[name])
    for table in (SCHEMAS[name], *SCHEMAS[name].get("$defs", {}).values()):
        assert all(part["description"] for part in table.get("properties", {}).values())


def test_meanings_are_told_of_keys_that_exist_and_of_no_others() -> None:
    tables = {name: table for one in SCHEMAS.values() for name, table in one.get("$defs", {}).items()}
    tables |= {of.__name__: SCHEMAS[name] for name, (of, _) in FILES.items()}
    told = dict(meanings())
    shared = set(told.pop("*"))
    keys = {name: set(table["properties"]) - shared for name, table in tables.items() if "properties" in table}
    assert {name: set(meant) for name, meant in told.items()} == keys


def test_every_number_of_the_reference_has_its_unit() -> None:
    without = {
        (name, key)
        for one in SCHEMAS.values()
        for name, table in {"": one, **one.get("$defs", {})}.items()
        for key, part in table.get("properties", {}).items()
        if part.get("type") in ("integer", "number") and pages.unit(key) is None
    }
    assert without == set()


@pytest.mark.parametrize("file", [*files()], ids=lambda file: "/".join(file.parts[-3:]))
def test_a_bundled_file_names_its_schema_and_keeps_it(file: Path) -> None:
    assert schema_named_in(file).parent == ROOT / "plugins" / "schemas"
    assert mistakes_told_by_the_schema(file) == []


@pytest.mark.parametrize("planted", PLANTED, ids=lambda one: f"{Path(one.file).stem}-{one.key}-{one.new[:20]}")
def test_a_mistake_that_a_schema_can_tell_is_told_by_it(planted: Planted) -> None:
    file = sample_site() / planted.file
    text = file.read_text("utf-8")
    assert planted.old in text
    check = CHECKS[schema_named_in(file).stem]
    spoilt = plain(tomllib.loads(text.replace(planted.old, planted.new, 1)))
    assert not check.is_valid(spoilt) or BEYOND_A_SCHEMA.search(planted.says)


def test_an_editor_that_knows_taplo_finds_the_schemas_and_their_mistakes(tmp_path: Path) -> None:
    """As Even Better TOML does it: the first line of each file leads to the schema."""
    shutil.copytree(sample_site(), tmp_path / "site", ignore=shutil.ignore_patterns("*.py", "__pycache__", *CODE))
    assert taplo(tmp_path / "site") == ""
    file = tmp_path / "site/archives/department.toml"
    file.write_text(file.read_text("utf-8").replace("resend_is_safe = true", "resend_safe = true"), "utf-8")
    told = taplo(tmp_path / "site")
    assert "archives/department.toml" in told
    assert "('resend_safe' was unexpected)" in told


def taplo(site: Path) -> str:
    """What the linter says of every file of a site; nothing where it has nothing to say."""
    command = [str(Path(sys.executable).with_name("taplo")), "lint", *map(str, sorted(site.rglob("*.toml")))]
    environment = {**os.environ, "RUST_LOG": "off"}
    done = subprocess.run(command, cwd=site, env=environment, capture_output=True, check=False, text=True)
    assert (done.returncode == 0) == (done.stderr == ""), done.stderr
    return done.stderr


RUN = CliRunner()


def test_the_command_prints_one_schema_or_writes_all_of_them(tmp_path: Path) -> None:
    assert json.loads(RUN.invoke(app, ["item"]).output) == SCHEMAS["item"]
    (tmp_path / "site.toml").touch()
    assert RUN.invoke(app, ["--site", str(tmp_path)]).exit_code == 0
    assert {file.name: file.read_text("utf-8") for file in (tmp_path / "schemas").iterdir()} == dict(schema_files())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name one of"),
        (["item", "--site", "."], "name one of"),
        (["departmant"], "did you mean department"),
        (["--site", "nowhere"], "no site folder"),
    ],
)
def test_what_the_command_cannot_do_is_told(arguments: list[str], says: str) -> None:
    found = RUN.invoke(app, arguments)
    assert isinstance(found.exception, OnedoorError)
    assert says in str(found.exception)


CHANNEL = '\n[[systems]]\nkey = "x"\n\n[[systems.channels]]\nsituation = "file_drop"\n\n'
UNFINISHED = {
    "a department": ("department", "", {"code", "systems"}),
    "a channel": ("department", CHANNEL, {"status", "resend_is_safe", "auto_fallback", "paper"}),
    "its table": ("department", f"{CHANNEL}[systems.channels.file_drop]\n", {"encoding", "on_unencodable", "back"}),
    "a REST channel": ("department", f"{CHANNEL}[systems.channels.rest]\n", {"base_path", "callback", "later_replies"}),
    "an item": ("item", "", {"code", "steps", "legal_days"}),
    "a step": ("item", "\n[[steps]]\n", {"kind", "needs_paper", "join"}),
}
"""What somebody has written so far, of which file, and some of the keys that must be offered next."""


@pytest.mark.parametrize("name", UNFINISHED)
def test_an_editor_offers_the_keys_that_may_stand_here_with_their_meaning(tmp_path: Path, name: str) -> None:
    """A language server, asked as an editor asks it at the end of an unfinished file."""
    schema, text, wanted = UNFINISHED[name]
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / f"{schema}.json").write_text(schema_files()[f"{schema}.json"], "utf-8")
    (tmp_path / "tombi.toml").write_text("[schema]\ncatalog = { paths = [] }\n", "utf-8")
    file = tmp_path / "unfinished.toml"
    file.write_text(f"#:schema schemas/{schema}.json\n{text}\n", "utf-8")
    offered = completions(file)
    assert wanted <= offered.keys()
    assert all(offered[key] for key in wanted)


def completions(file: Path) -> dict[str, str]:
    """What is offered on the last line of a file: each key with what is said of it."""
    text = file.read_text("utf-8")
    place = {"textDocument": {"uri": file.as_uri()}}
    document = {"uri": file.as_uri(), "languageId": "toml", "version": 1, "text": text}
    folder = {"rootUri": file.parent.as_uri(), "workspaceFolders": [{"uri": file.parent.as_uri(), "name": "site"}]}
    command = [str(Path(sys.executable).with_name("tombi")), "lsp", "--offline"]
    with subprocess.Popen(command, cwd=file.parent, stdin=PIPE, stdout=PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            asked(server.stdin, server.stdout, 1, "initialize", {"processId": None, "capabilities": {}, **folder})
            say(server.stdin, method="initialized", params={})
            say(server.stdin, method="textDocument/didOpen", params={"textDocument": document})
            where = {**place, "position": {"line": text.count("\n"), "character": 0}}
            found: Any = None
            # The server opens the file while it answers already: asked too early it knows of none.
            for number in range(2, 602):
                found = asked(server.stdin, server.stdout, number, "textDocument/completion", where)
                if found is not None:
                    break
                time.sleep(0.1)
        finally:
            server.kill()
    assert found is not None
    items = found["items"] if isinstance(found, dict) else found
    return {one["label"].split(" = ")[0]: json.dumps(one.get("documentation", "")) for one in items}


def say(to: IO[bytes], **message: Any) -> None:
    """One message of the language server protocol."""
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    to.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    to.flush()


def asked(to: IO[bytes], of: IO[bytes], number: int, method: str, params: Any) -> Any:
    """The answer to a question; what the server asks meanwhile is answered with nothing."""
    say(to, id=number, method=method, params=params)
    while True:
        length = 0
        while line := of.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        assert length, "the language server has ended"
        heard = json.loads(of.read(length))
        if "method" in heard and "id" in heard:
            say(to, id=heard["id"], result=None)
        elif heard.get("id") == number:
            return heard["result"]
