"""The manual page of file exchanges, held equal to the code."""

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from adapters import control_files, file_drop, file_totals
from adapters.file_drop_table import Back, ControlFile, FileDropTable, Receipt, Role
from adapters.record_files import FORMATS
from adapters.text_encodings import CODECS
from contracts.records import adapter
from contracts.site import ChannelFile
from tests.file_layouts import system_with

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/file_drop.md").read_text(encoding="utf-8")
BLOCKS = [tomllib.loads(block)["systems"]["channels"] for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)]
TABLES: list[dict[str, Any]] = [(block[0] if isinstance(block, list) else block)["file_drop"] for block in BLOCKS]


@pytest.mark.parametrize("table", TABLES, ids=[f"{table['format']} {number}" for number, table in enumerate(TABLES)])
def test_every_declaration_on_the_page_works(table: dict[str, Any]) -> None:
    system = system_with(table)
    assert file_drop.make(system, system.channels[0]).resend_is_safe


def test_the_page_declares_a_whole_channel_and_every_format() -> None:
    channel = adapter(ChannelFile).validate_python(BLOCKS[0][0])
    assert channel.batching is not None
    assert list(dict.fromkeys(table["format"] for table in TABLES)) == list(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_the_page_names_every_key_of_a_layout(name: str) -> None:
    computed = {"encoding", "columns", "header", "trailer", "fee_cents_per_row", "table"}
    keys = set(FORMATS[name].__dataclass_fields__) - computed  # type: ignore[attr-defined]
    assert keys
    missing = {key for key in keys if not re.search(rf"\b{key}\b", PAGE)}
    assert not missing


def test_the_page_names_every_key_of_the_table_and_every_choice() -> None:
    models = (FileDropTable, Back, ControlFile, Receipt)
    keys = {key for model in models for key in model.model_fields}
    words = {*keys, *CODECS, *get_args(Role), *get_args(file_totals.Measure), *get_args(control_files.Item)}
    missing = {word for word in words if not re.search(rf"(?<![\w]){word}(?![\w])", PAGE)}
    assert not missing


def test_the_page_names_codes_that_exist() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "adapters").glob("*.py"))
    sources += "".join(
        (ROOT / path).read_text(encoding="utf-8")
        for path in ("hub/runtime.py", "hub/results/verdicts.py", "contracts/errors.py")
    )
    verdicts = PAGE[PAGE.index("## What comes back") :]
    told = {
        code for row in re.findall(r"^\|.*\|$", verdicts, re.MULTILINE) for code in re.findall(r"`([a-z_0-9]+)`", row)
    }
    assert {code for code in told if f'"{code}"' not in sources} == set()
