"""Fixtures that several integration tests share."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub import logs
from simulators.sftp_server import Account, SftpServer, sftp_server
from tests.shell import Shell


@pytest.fixture
def sftp_tree(tmp_path: Path) -> Path:
    """The folders of a file exchange, as an SFTP account shows them."""
    root = tmp_path / "tree"
    for folder in ("out", "back/done", "back/quarantine"):
        (root / folder).mkdir(parents=True)
    return root


@pytest.fixture
def sftp(sftp_tree: Path) -> Iterator[SftpServer]:
    """A server over them, nobody at work behind it."""
    with sftp_server([Account(username="onedoor", password="onedoor", root=sftp_tree)]) as running:
        yield running


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """What was logged, whether or not an earlier test of this process has configured where logs go."""

    def told() -> str:
        return "".join((*capsys.readouterr(), caplog.text))

    return told


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    # Where the logs of a process go is set once and for all; the tests that come later in this one read theirs elsewhere.
    monkeypatch.setattr(logs, "configure", lambda level: None)
    return Shell(tmp_path, monkeypatch, capsys)


@pytest.fixture
def place(shell: Shell) -> Shell:
    """A folder after ``onedoor init``."""
    (shell.folder / "onedoor.toml").write_text("port = 0\n")
    shell.done("init")
    return shell


@pytest.fixture
def quick_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: thousands of units of work that prove no durability need no real sync."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="onedoor-test-") as folder:
        yield Path(folder)
