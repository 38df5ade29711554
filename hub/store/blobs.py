"""The blob store: scans, result files, sealed batches. Encrypted, named by a keyed hash of the content, synced before their row."""

import os
from pathlib import Path

from hub.keys import Keys


class Blobs:
    """A folder of encrypted files; the same content is stored once."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        """Creates the folder, for its owner only."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._keys = keys

    def put(self, content: bytes) -> str:
        """Store and sync; returns the key. Call it before the row that names the key is committed. Blocks."""
        key = self._keys.blob_name(content)
        path = self._path(key)
        if path.exists():
            return key
        path.parent.mkdir(exist_ok=True, mode=0o700)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(self._keys.seal_blob(content))
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
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

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / key
