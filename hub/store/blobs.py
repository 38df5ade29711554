"""The blob store: scans, result files, sealed batches. Encrypted, named by a keyed hash of the content, synced before their row."""

import os
from pathlib import Path

from hub.keys import Keys
from hub.store.connection import StoreUnavailable


class Blobs:
    """A folder of encrypted files; the same content is stored once."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        """Creates the folder and those in it, for their owner only, all of them now: a name is safe once its folder's name is."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for number in range(256):
            (folder / f"{number:02x}").mkdir(exist_ok=True, mode=0o700)
        _sync_folder(folder)
        _sync_folder(folder.parent)
        self._folder = folder
        self._keys = keys

    def put(self, content: bytes) -> str:
        """Store and sync; returns the key. Call it before the row that names the key is committed. Blocks.

        Raises StoreUnavailable when the disk takes no file (full, read-only, failing).
        """
        key = self._keys.blob_name(content)
        path = self._path(key)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            if path.exists():
                _sync_folder(path.parent)  # whoever put it there may not have come so far yet
                return key
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(self._keys.seal_blob(content))
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
            _sync_folder(path.parent)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise StoreUnavailable(f"the folder of stored files takes none now: {error.strerror}") from error
        return key

    def get(self, key: str) -> bytes:
        """The content. Raises KeyError when there is none, KeyRefused when it was changed. Blocks."""
        if not key.isalnum():
            raise KeyError(key)
        try:
            sealed = self._path(key).read_bytes()
        except FileNotFoundError as error:
            raise KeyError(key) from error
        return self._keys.unseal_blob(sealed)

    def delete(self, key: str) -> None:
        """Take the file away, if it is there. Blocks."""
        if key.isalnum():
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / key


def _sync_folder(folder: Path) -> None:
    """A new name in a folder outlives a power cut only after a sync of the folder itself."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
