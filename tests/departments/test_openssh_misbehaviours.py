"""The rows of the table whose departments exchange files, against OpenSSH itself."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import paramiko
import pytest

from tests.departments.openssh import openssh
from tests.file_misbehaviours import Seen, Server, play
from tests.integration.test_file_misbehaviours import check
from tests.misbehaviours import Case, of

CASES = of("file_drop")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Seen]:
    """How each row ended, by id."""
    folder: Path = tmp_path_factory.mktemp("openssh_rows")
    tree = folder / "tree"
    tree.mkdir()
    other = paramiko.ECDSAKey.generate()
    with openssh(folder / "sshd") as running:
        server = Server(
            host="127.0.0.1",
            port=running.port,
            host_key=running.host_key,
            other_key=f"{other.get_name()} {other.get_base64()}",
            username=running.username,
            secret=running.private_key,
            auth={"private_key": "sftp_password"},
            tree=tree,
            prefix=str(tree),
        )
        return asyncio.run(play(CASES, folder, server))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_misbehaviour_ends_as_the_table_declares(case: Case, seen: Mapping[str, Seen]) -> None:
    check(case, seen[case.id])
