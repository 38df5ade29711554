"""``onedoor certify`` against a test server that is not the kit's: what needs its co-operation does not apply, and says why."""

import json
import subprocess
import sys
from pathlib import Path

from simulators.sftp_server import Account, sftp_server
from tests.conformance.reference import SITE

ONEDOOR = Path(sys.executable).with_name("onedoor")
FOLDERS = ("out", "back/done", "back/quarantine", "ack/done", "ack/quarantine")


def test_a_test_server_of_files_is_certified_as_far_as_it_can_be_looked_at(tmp_path: Path) -> None:
    root, secrets = tmp_path / "files", tmp_path / "secrets"
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True)
    secrets.mkdir()
    (secrets / "dd_sftp").write_text("样例-open")
    with sftp_server([Account(username="hub", password="样例-open", root=root)]) as server:
        settings = tmp_path / "settings.toml"
        settings.write_text(
            f"""[systems.DD-list.file_drop]
host = "{server.host}"
port = {server.port}
username = "hub"
host_key = "{server.host_key}"
""",
            "utf-8",
        )
        done = subprocess.run(
            [ONEDOOR, "certify", "DD-list", "--site", SITE, "--settings", settings, "--secrets", secrets, "--json"],
            capture_output=True,
            check=False,
            text=True,
            timeout=250,
        )
    (told,) = json.loads(done.stdout)
    ends = {one["name"]: one["status"] for one in told["checks"]}
    reasons = {one["name"]: one.get("reason", "") for one in told["checks"]}
    failures = {name: reasons[name] for name, status in ends.items() if status == "failed"}
    assert failures == {}
    assert done.returncode == 0, done.stderr
    assert told["against"] == "endpoint"
    for name in ("good-batch", "sealing-is-pure", "changed-host-key", "server-away"):
        assert ends[name] == "passed", reasons[name]
    for name in ("disk-full", "cut-in-mid-file", "truncated-result-file", "login-refused"):
        assert ends[name] == "not_applicable"
        assert "test endpoint" in reasons[name]
    assert list((root / "out").glob("DD_*.txt"))
