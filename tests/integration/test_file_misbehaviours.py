"""Every row of the table whose department exchanges files ends as declared, in real hubs, against the simulated SFTP server."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import paramiko
import pytest

from simulators.sftp_server import Account, sftp_server
from tests.file_misbehaviours import Seen, Server, play
from tests.misbehaviours import Case, of

CASES = of("file_drop")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Seen]:
    """How each row ended, by id."""
    folder: Path = tmp_path_factory.mktemp("file_misbehaviours")
    tree = folder / "tree"
    tree.mkdir()
    other = paramiko.ECDSAKey.generate()
    with sftp_server([Account(username="onedoor", password="right", root=tree)]) as running:
        server = Server(
            host=running.host,
            port=running.port,
            host_key=running.host_key,
            other_key=f"{other.get_name()} {other.get_base64()}",
            username="onedoor",
            secret="right",
            auth={"password": "sftp_password"},
            tree=tree,
            prefix="",
        )
        return asyncio.run(play(CASES, folder, server))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_misbehaviour_ends_as_the_table_declares(case: Case, seen: Mapping[str, Seen]) -> None:
    check(case, seen[case.id])


def check(case: Case, found: Seen) -> None:
    """State, first attempt, number of attempts, files that arrived, the reason in quarantine; and nothing that would rest for ever."""
    ends = case.ends
    first = found.attempts[0]
    assert (found.state, first["state"], first["error_code"]) == (ends.state, ends.attempt, ends.code)
    assert len(found.attempts) == ends.attempts
    assert len(found.taken) == (1 if ends.arrivals is None else ends.arrivals)
    assert set(found.reasons) == ({ends.reason} if ends.reason else set())
    assert found.stuck is None
