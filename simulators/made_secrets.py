"""The secrets of a city that is made for a trial: which its systems need, and values that nobody else has."""

import secrets
from pathlib import Path

from adapters.file_drop_table import secrets_of
from adapters.rest_table import RestTable
from adapters.soap_table import SoapTable
from contracts.site import SystemFile
from simulators.file_department import file_drop_table


def secret_names(system: SystemFile) -> list[str]:
    """What every channel of the system needs."""
    names: list[str] = []
    for channel in system.channels:
        if channel.rest is not None:
            rest = RestTable.model_validate(dict(channel.rest))
            names += [*rest.auth.secrets, *([rest.callback.secret] if rest.callback and rest.callback.secret else [])]
        if channel.soap is not None:
            names += SoapTable.model_validate(dict(channel.soap)).auth.secrets
        if channel.file_drop is not None:
            table = file_drop_table(system)
            names += [name for name in (table.auth.password, *secrets_of(table)) if name]
    return names


def secret(path: Path) -> str:
    """The value, made at its first use; short, since some departments have 20 bytes for it."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(12))
    return path.read_text()
