"""The folder of a demo: begun afresh each time, never at the cost of anything that a demo did not make."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from contracts.errors import OnedoorError

MARK: Final = ".onedoor-demo"
_LONGEST: Final = 80
"""Bytes of a path below which the hub's local socket still fits: a socket's own path may have 107."""

_OURS: Final = (
    "data",
    "keys",
    "anchor",
    "sheets",
    "senders",
    "ledgers",
    "files",
    "logs",
    "onedoor.toml",
    "client.key",
    "canaries.txt",
    "demo-summary.json",
)


class FolderRefusedError(OnedoorError):
    """The demo cannot use this folder; the text says what to do."""


@contextmanager
def demo_folder(wanted: Path) -> Iterator[Path]:
    """The absolute path of an empty folder for one demo, held until the block ends; what an earlier demo left there is removed.

    Raises FolderRefusedError.
    """
    folder = wanted.resolve()
    if len(bytes(folder)) > _LONGEST:
        raise FolderRefusedError(
            f"the path {folder} is too long for the hub's socket: name a shorter one with --folder"
        )
    mark = folder / MARK
    if folder.is_dir() and any(folder.iterdir()) and not mark.exists():
        raise FolderRefusedError(
            f"{folder} holds something that no demo made: name an empty or a new folder with --folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = mark.open("a")
    except OSError as error:
        raise FolderRefusedError(f"{folder} cannot be used ({error.strerror}): name another with --folder") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderRefusedError(
                f"another demo runs in {folder}: end it, or name another folder with --folder"
            ) from error
        for name in _OURS:
            _remove(folder / name)
        yield folder


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
