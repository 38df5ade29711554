"""The exchange of files: beside ``sftp -b``, with a result file of 20,000 rows, and with a hundred thousand files in the inbox.

The exchange and OpenSSH's own client put the same files under temporary names, rename them and do the same for the control files, in turn
(A B A B), and medians are compared: only the ratio means anything. Figures go to docs/results/files.json; exit code 1 when a bound fails.

    PYTHONPATH=. python -m bench.files
"""

import asyncio
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapters.file_drop import FileDropGateway, make
from adapters.sftp_client import SftpAddress, SftpFiles, SftpLogin, SftpTimeouts
from contracts.site import ChannelFile
from contracts.situation import Batching, Limits, Situation
from hub.app import open_hub
from hub.systems import Registered
from tests import scripted
from tests.departments.openssh import SSHD, OpenSsh, openssh
from tests.file_world import REWARD, TABLE, Place, batch_of, delivery_of, system_of

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results" / "files.json"
FILES = int(os.environ.get("BENCH_FILES", "150"))
ROWS = int(os.environ.get("BENCH_ROWS", "20000"))
INBOX = int(os.environ.get("BENCH_INBOX", "100000"))
ROUNDS = 3
BOUNDS = {"throughput_ratio": 0.5, "rows_seconds": 60.0, "first_file_seconds": 2.0, "inbox_memory_mb": 50.0}


def table_below(tree: Path) -> dict[str, Any]:
    """The usual exchange, in the folders of ``tree``."""
    back = {"dir": f"{tree}/back", "done_dir": f"{tree}/back/done", "quarantine_dir": f"{tree}/back/quarantine"}
    return {
        **TABLE,
        "out": {**TABLE["out"], "dir": f"{tree}/out"},
        "back": {**TABLE["back"], **back},
        "timeouts": {"connect_seconds": 10, "channel_seconds": 60, "total_seconds": 600},
        "auth": {"private_key": "key"},
    }


def folders(tree: Path) -> Path:
    """Empty ones."""
    for name in ("out", "back/done", "back/quarantine"):
        (tree / name).mkdir(parents=True)
    return tree


def address(server: OpenSsh) -> dict[str, Any]:
    """The settings of its place."""
    return {"host": "127.0.0.1", "port": server.port, "username": server.username, "host_key": server.host_key}


async def by_exchange(server: OpenSsh, tree: Path) -> float:
    """Seconds for all files, connecting included."""
    system = system_of(table_below(tree))
    batches = [batch_of(*(delivery_of() for _ in range(400)), sequence=number) for number in range(1, FILES + 1)]
    async with make(system, system.channels[0]).open(
        address(server), Place(secrets={"key": server.private_key})
    ) as gateway:
        assert isinstance(gateway, FileDropGateway)
        sealed = [replace(batch, payload=gateway.seal(batch)) for batch in batches]
        began = time.perf_counter()
        for batch in sealed:
            await gateway.deliver_batch(batch)
        return time.perf_counter() - began


def by_sftp(server: OpenSsh, tree: Path, like: Path, key: Path) -> float:
    """The same files by OpenSSH's client."""
    lines = []
    for path in sorted(like.glob("*.txt")):
        for one in (path, path.with_suffix(".ok")):
            final = f"{tree}/out/{one.name}"
            lines += [f"put -f {one} {final}.tmp", f"rename {final}.tmp {final}"]
    script = tree / "batch"
    script.write_text("\n".join(lines) + "\n")
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
    command = ["sftp", "-q", "-b", str(script), "-P", str(server.port), "-i", str(key)]
    began = time.perf_counter()
    subprocess.run(
        [*command, *(f"-o{option}" for option in options), f"{server.username}@127.0.0.1"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


def throughput(server: OpenSsh, folder: Path) -> dict[str, float]:
    """Medians of both, and the ratio."""
    ours, theirs = [], []
    for number in range(ROUNDS):
        tree = folders(folder / f"a{number}")
        ours.append(asyncio.run(by_exchange(server, tree)))
        theirs.append(by_sftp(server, folders(folder / f"b{number}"), tree / "out", folder / "sshd" / "client_key"))
    one, other = statistics.median(ours), statistics.median(theirs)
    return {
        "exchange_files_per_second": FILES / one,
        "sftp_files_per_second": FILES / other,
        "throughput_ratio": other / one,
    }


async def rows(server: OpenSsh, folder: Path) -> dict[str, float]:
    """A result file for every waiting delivery: from its control file to the last settled delivery."""
    tree = folders(folder / "rows")
    operation = replace(REWARD, key="decide", request=(replace(REWARD.request[0], source="applicant.name"),))
    channel = ChannelFile(
        situation=Situation.FILE_DROP,
        resend_is_safe=True,
        batching=Batching(max_size=5000, max_wait_seconds=2),
        limits=Limits(collect_seconds=0.5, attempt_seconds=600),
        file_drop=table_below(tree),
    )
    system = replace(system_of(TABLE, operation), channels=(channel,))
    scripted.write_secret(folder, "key", server.private_key)
    known = scripted.registered(file=make(system, channel))
    department = known.departments[0]
    systems = tuple(
        replace(one, operations={**one.operations, "decide": operation}) if one.name == "BB-file" else one
        for one in department.systems
    )
    known = Registered(departments=(replace(department, systems=systems),), broken={})
    settings = scripted.settings(folder, systems={"BB-file": {"file_drop": address(server)}}, max_waiting=100_000)
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(open_hub(settings, registered=known))
        for start in range(0, ROWS, 200):
            await asyncio.gather(*(scripted.submit(hub, "FILE1") for _ in range(min(200, ROWS - start))))

        async def in_state(state: str, number: int) -> bool:
            (row,) = await scripted.rows(hub, f"SELECT count(*) AS n FROM delivery WHERE state = '{state}'")
            return bool(row["n"] == number)

        await scripted.until(lambda: in_state("waiting", ROWS), 900)
        ids = [row["id"] for row in await scripted.rows(hub, "SELECT id FROM delivery ORDER BY id")]
        content = "".join(f"{one}|!WJ01|!00|!120050|!样例\r\n" for one in ids).encode("gb18030")
        name = "WJ_JG_20261124_001.txt"
        (tree / "back" / name).write_bytes(content)
        began = time.perf_counter()
        (tree / "back" / Path(name).with_suffix(".ok").name).write_text(_proof(content, ROWS))
        await scripted.until(lambda: in_state("done", ROWS), 600)
        return {"rows": float(ROWS), "rows_seconds": time.perf_counter() - began}


def _proof(content: bytes, number: int) -> str:
    return f"rows={number}\r\nmd5={hashlib.md5(content, usedforsecurity=False).hexdigest()}\r\n"


def most_mb() -> float:
    """The most memory that this process has ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def now_mb() -> float:
    """What it holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


async def inbox(server: OpenSsh, tree: Path) -> dict[str, float]:
    """Time to the first of so many files, and memory after the whole folder has been listed."""
    system = system_of(table_below(tree))
    async with make(system, system.channels[0]).open(
        address(server), Place(secrets={"key": server.private_key})
    ) as gateway:
        assert isinstance(gateway, FileDropGateway)
        await gateway.check()
        before = now_mb()
        began = time.perf_counter()
        taken, first = 0, 0.0
        async for _ in gateway.collect():
            first = first or time.perf_counter() - began
            taken += 1
            if taken == 300:
                break
    where = SftpAddress(host="127.0.0.1", port=server.port, username=server.username, host_key=server.host_key)
    files = SftpFiles(where, lambda: SftpLogin(private_key=server.private_key), SftpTimeouts())
    listed = sum(len(page) for page in files.pages(f"{tree}/back", 500))
    files.close()
    return {"inbox_files": listed, "first_file_seconds": first, "inbox_memory_mb": most_mb() - before}


def fill(tree: Path, number: int) -> None:
    """So many result files with their control files."""
    content = b""
    table = system_of(TABLE).channels[0].file_drop
    assert table is not None
    for serial in range(number // 2):
        name = f"WJ_JG_20261124_{serial:06d}.txt"
        (tree / "back" / name).write_bytes(content)
        (tree / "back" / (name[:-4] + ".ok")).write_text(_proof(content, 0))


def main() -> int:
    """Run all parts that this machine can; returns the exit code."""
    if not Path(SSHD).exists() or shutil.which("sftp") is None:
        print("bench/files.py needs the Debian packages openssh-server and openssh-client: nothing was measured")
        return 0
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="onedoor-bench-files-") as temporary:
        folder = Path(temporary)
        with openssh(folder / "sshd") as server:
            if sys.argv[1:2] == ["inbox"]:
                tree = folders(folder / "inbox")
                fill(tree, INBOX)
                sys.stdout.write(json.dumps(asyncio.run(inbox(server, tree))))
                return 0
            found |= throughput(server, folder)
            found |= asyncio.run(rows(server, folder))
            child = subprocess.run([sys.executable, "-m", "bench.files", "inbox"], check=True, capture_output=True)
            found |= json.loads(child.stdout)
    held = {
        name: found[name] >= bound if name.endswith("ratio") else found[name] <= bound for name, bound in BOUNDS.items()
    }
    for name, value in found.items():
        told = f"  (bound {BOUNDS[name]:g}: {'holds' if held[name] else 'FAILS'})" if name in BOUNDS else ""
        print(f"{name:28} {value:10.2f}{told}")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({"figures": found, "bounds": BOUNDS, "held": held}, indent=2) + "\n")
    return 0 if all(held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
