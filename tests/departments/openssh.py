"""Debian's OpenSSH server on a free port of loopback: its own configuration, host keys and client key in a temporary folder."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import paramiko

SSHD = "/usr/sbin/sshd"
SFTP_SERVER = "/usr/lib/openssh/sftp-server"
MISSING = "these tests need the Debian package openssh-server (see .ci/packages.txt): apt-get install openssh-server"


@dataclass
class OpenSsh:
    """A running server. ``private_key``: the client's, as text; paths on the server are those of this machine."""

    port: int
    host_key: str
    private_key: str
    username: str
    process: "subprocess.Popen[bytes]"

    def sessions(self) -> list[int]:
        """The processes that serve connections: all that descend from the listener."""
        found, seen = [self.process.pid], set()
        while found:
            parent = found.pop()
            children = Path(f"/proc/{parent}/task/{parent}/children")
            for child in map(int, children.read_text().split()) if children.exists() else ():
                if child not in seen:
                    seen.add(child)
                    found.append(child)
        return sorted(seen)

    def signal_sessions(self, number: signal.Signals) -> None:
        """Stop, continue or kill every session."""
        for pid in self.sessions():
            os.kill(pid, number)


@contextmanager
def openssh(folder: Path, subsystem: str = "internal-sftp") -> Iterator[OpenSsh]:
    """A server until the block ends. ``subsystem``: the command behind ``sftp``. Raises AssertionError where it is not installed."""
    assert Path(SSHD).exists(), MISSING
    assert shutil.which("ssh-keygen"), MISSING
    folder.mkdir(parents=True, exist_ok=True)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where a server of root puts its separated part
    host_key = folder / "host_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(host_key)], check=True)
    client = paramiko.ECDSAKey.generate()
    client.write_private_key_file(str(folder / "client_key"))
    (folder / "authorized_keys").write_text(f"{client.get_name()} {client.get_base64()}\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": host_key,
        "PidFile": folder / "pid",
        "AuthorizedKeysFile": folder / "authorized_keys",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "UsePAM": "no",
        "StrictModes": "no",
        "PermitRootLogin": "prohibit-password",
        "MaxStartups": "200:30:400",
        "LogLevel": "ERROR",
        "Subsystem": f"sftp {subsystem}",
    }
    (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    command = [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        server = OpenSsh(
            port=port,
            host_key=" ".join(host_key.with_suffix(".pub").read_text().split()[:2]),
            private_key=(folder / "client_key").read_text(),
            username=getpass.getuser(),
            process=process,
        )
        try:
            _await_listening(server, folder / "log")
            yield server
        finally:
            sessions = server.sessions()
            process.terminate()
            for pid in sessions:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            process.wait(10)


def _await_listening(server: OpenSsh, log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert server.process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"sshd does not listen: {log.read_text()}")
