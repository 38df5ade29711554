"""The command line of the oracle; see the package. Exit code 0: all invariants hold, 1: one does not, 2: it could not look."""

import argparse
import json
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from simulators.oracle import canaries, checks, replay, seals
from simulators.oracle.evidence import gather
from simulators.oracle.findings import Report


def examine(options: argparse.Namespace) -> Report:
    """Run every check that the options allow."""
    noted = seals.noted(options.anchor)  # before the tables: what is noted now must be in them
    evidence = gather(options.database, options.senders, options.ledgers, options.files)
    report = Report()
    report.checks["I1"] = checks.stored(evidence)
    report.lost = len(report.checks["I1"].found)
    report.checks["I2"] = checks.frozen_steps(evidence)
    unsafe = frozenset(filter(None, options.resend_unsafe.split(",")))
    report.checks["I3"] = checks.deeds_agree(evidence, report, unsafe)
    report.checks["I4"] = checks.leases(evidence, stopped=options.stopped)
    report.checks["I5"] = replay.journal_agrees(evidence)
    seals.seals_agree(report.checks["I5"], evidence, noted, stopped=options.stopped)
    if options.files:
        report.checks["I6"] = checks.files_agree(evidence)
    if options.metrics:
        report.checks["I7"] = checks.gauges(evidence, options.metrics.read_text(encoding="utf-8"))
    if options.canaries:
        texts = [path for path in (options.logs, options.metrics) if path]
        report.checks["I8"] = canaries.no_leaks(canaries.read_canaries(options.canaries), options.database, texts)
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """Look, tell, and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        report = examine(options)
    except (OSError, sqlite3.Error, ValueError) as error:
        sys.stderr.write(f"the oracle cannot look: {error}\n")
        return 2
    text = json.dumps(report.as_json(), ensure_ascii=False) if options.json else "\n".join(report.lines())
    sys.stdout.write(text + "\n")
    return 0 if report.is_ok else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators.oracle", description=__doc__)
    parser.add_argument("--database", type=Path, required=True, help="the hub's SQLite file; it may be in use")
    parser.add_argument("--senders", type=Path, required=True, help="folder of senders' logs")
    parser.add_argument("--ledgers", type=Path, required=True, help="folder of departments' ledgers")
    parser.add_argument("--files", type=Path, help="folder with the tree of each file exchange, by system")
    parser.add_argument("--anchor", type=Path, help="the file in which the journal's heads were noted")
    parser.add_argument("--logs", type=Path, help="folder of the hub's logs, searched for canaries")
    parser.add_argument("--metrics", type=Path, help="a metrics text of the hub, taken while nothing moved")
    parser.add_argument("--canaries", type=Path, help="personal data that must be nowhere, one a line")
    parser.add_argument("--resend-unsafe", default="", help="systems, by comma, that act on every arrival")
    parser.add_argument("--stopped", action="store_true", help="the hub was stopped properly: nothing may be in hand")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    return parser


if __name__ == "__main__":
    sys.exit(main())
