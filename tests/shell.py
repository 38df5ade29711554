"""Commands run in this process, in a folder of their own: what they print and how they end."""

import sys
from pathlib import Path

import pytest

import hub.cli


class Shell:
    """Runs commands in a folder of its own, in this process."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        self._monkeypatch.setattr(sys, "argv", ["onedoor", *arguments])
        code = 0
        self._capsys.readouterr()  # what a hub of this process has logged is none of the command's words
        try:
            hub.cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = self._capsys.readouterr()
        return code, out, err

    def done(self, *arguments: str) -> str:
        """Stdout of a command that must succeed."""
        code, out, err = self.run(*arguments)
        assert code == 0, err
        return out

    def refused(self, *arguments: str) -> str:
        """The one sentence of a command that must be refused."""
        code, _, err = self.run(*arguments)
        assert code == 2
        assert err.count("\n") == 1, err
        assert "Traceback" not in err
        return err
