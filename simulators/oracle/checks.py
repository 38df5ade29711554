"""I1 to I4, I6 and I7: what the tables say, held against what everybody else wrote down."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from simulators.oracle.evidence import Deeds, Evidence, Found, Row, count
from simulators.oracle.findings import Check, Report

OPEN_TASKS: Final = frozenset({"ready", "reserved", "to_confirm"})
ANSWERED: Final = frozenset({"done", "returned"})
TRAVELLED: Final = frozenset({"sent", "acknowledged", "closed"})
PAPER_LEDGER: Final = "clerk"

MEANT: Final[Mapping[str, frozenset[str]]] = {
    "completed.granted": frozenset({"granted"}),
    "completed.refused": frozenset({"refused"}),
    "completed.done": frozenset({"done"}),
    "returned": frozenset({"returned"}),
    "temporary": frozenset({"temporaryerror"}),
    "permanent": frozenset({"permanenterror", "duplicateerror"}),
    "agreed": frozenset({"granted", "done"}),
    "refused": frozenset({"refused"}),
}
"""What a department noted as its reply, and the kinds of reply that the hub may have made of it."""


def stored(evidence: Evidence) -> Check:
    """I1: every acknowledged message is in the inbox under its case, and the case exists."""
    check = Check()
    inbox = {(row["source"], row["id"]): row["case_no"] for row in evidence.tables["inbox"]}
    cases = {row["case_no"] for row in evidence.tables["case_file"]}
    acked = {(line["source"], line["id"]): line["case_no"] for line in evidence.sent if line["kind"] == "acked"}
    for (source, message), case_no in acked.items():
        kept = inbox.get((source, message))
        if kept is None:
            check.expect(False, f"{source} {message}: acknowledged as {case_no}, not in the inbox")
        else:
            check.expect(kept == case_no, f"{source} {message}: acknowledged as {case_no}, stored as {kept}")
    for case_no in sorted({*inbox.values(), *acked.values()}):
        check.expect(case_no in cases, f"{case_no}: a message was taken for it, there is no such case")
    for case_no in sorted(cases - set(inbox.values())):
        check.expect(False, f"{case_no}: a case that no message brought")
    return check


def frozen_steps(evidence: Evidence) -> Check:
    """I2: up to acceptance the steps before the clock, from then on all of the item version, none twice, each worked on."""
    check = Check()
    items = {(row["code"], row["version"]): json.loads(row["content"]) for row in evidence.tables["item_version"]}
    steps: dict[str, list[Row]] = defaultdict(list)
    for row in evidence.tables["case_step"]:
        steps[row["case_no"]].append(row)
    worked_on = {(row["case_no"], row["step"]) for table in ("delivery", "task") for row in evidence.tables[table]}
    for case in evidence.tables["case_file"]:
        number = case["case_no"]
        item = items.get((case["item"], case["item_version"]))
        if not check.expect(item is not None, f"{number}: its item version is not stored") or item is None:
            continue
        wanted = {one["id"]: one for one in item["steps"]}
        if case["accepted_at"] is None:
            early = before_clock(item)
            wanted = {name: one for name, one in wanted.items() if name in early}
        names = Counter(row["step"] for row in steps[number])
        check.expect(not set(wanted) - set(names), f"{number}: missing steps {sorted(set(wanted) - set(names))}")
        check.expect(
            not set(names) - set(wanted), f"{number}: steps that are not its own {sorted(set(names) - set(wanted))}"
        )
        check.expect(max(names.values(), default=1) == 1, f"{number}: a step twice")
        for row in steps[number]:
            _as_defined(check, row, wanted.get(row["step"]), worked_on)
    return check


def _as_defined(check: Check, row: Row, step: Row | None, worked_on: set[tuple[Any, Any]]) -> None:
    name = f"{row['case_no']} {row['step']}"
    if step is not None:
        same = (row["kind"], row["operation"]) == (step["kind"], step.get("operation"))
        check.expect(same, f"{name}: not the step that the item defines")
    if row["state"] == "open":
        check.expect((row["case_no"], row["step"]) in worked_on, f"{name}: open, and nobody works on it")


def before_clock(item: Row) -> frozenset[str]:
    """The step that accepts and all before it."""
    after = {one["id"]: one.get("after", ()) for one in item["steps"]}
    found, waiting = set(), [item["accepts"]]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(after[name])
    return frozenset(found)


def deeds_agree(evidence: Evidence, report: Report, unsafe: frozenset[str]) -> Check:
    """I3: nothing came or was done twice without the journal saying so, and nothing counts as done that never was.

    ``unsafe``: systems that act on every arrival, since their channel does not promise that sending again is safe.
    """
    check = Check()
    deliveries = {row["id"]: row for row in evidence.tables["delivery"]}
    attempts = count(evidence.tables["attempt"], "delivery")
    resent = travelled_again(evidence)
    attempts += resent
    flagged = count((row for row in evidence.tables["attempt"] if row["possible_duplicate"]), "delivery") + resent
    report.possible_duplicates = flagged.total()
    sheets = {row["number"]: row for row in evidence.tables["sheet"]}
    for name, deeds in evidence.earlier.items():
        on_paper = deeds.system == PAPER_LEDGER
        sheet = sheets.get(name) if on_paper else None
        delivery = sheet["delivery"] if sheet else name
        if not check.expect(delivery in deliveries, f"{name}: {deeds.system} received it, the hub knows nothing of it"):
            continue
        if sheet:
            tries, excuses = sheet["prints"], max(sheet["prints"] - 1, 0)
        else:
            tries, excuses = attempts[delivery,], flagged[delivery,]
        _not_doubled(check, report, name, deeds, tries=tries, excuses=excuses, safe=deeds.system not in unsafe)
    _done_is_done(check, evidence)
    return check


def travelled_again(evidence: Evidence) -> Counter[tuple[Any, ...]]:
    """How often a delivery went along in a batch that was sent again for the sake of others: noted, but no attempt of its own."""
    return Counter(
        (subject,)
        for row in evidence.tables["journal"]
        if "batch_resent" in row["changes"]  # most entries have nothing of the kind, and need not be read
        for kind, subject, _, _, codes in json.loads(row["changes"])
        if kind == "delivery" and codes.get("cause") == "batch_resent"
    )


def _not_doubled(
    check: Check, report: Report, name: str, deeds: Deeds, *, tries: int, excuses: int, safe: bool
) -> None:
    """``tries``: attempts or prints that may have brought it there; ``excuses``: those that were known to be repeats."""
    taken = deeds.arrivals if deeds.system == PAPER_LEDGER else deeds.taken
    doubled = [
        not check.expect(
            deeds.arrivals <= tries,
            f"{name}: arrived {deeds.arrivals} times at {deeds.system}, {tries} tries are known",
        ),
        not check.expect(
            taken - 1 <= excuses,
            f"{name}: {deeds.system} took it {taken} times, {excuses} tries were marked as possible duplicates",
        ),
        not check.expect(
            deeds.effects <= (1 if safe else 1 + excuses), f"{name}: {deeds.system} acted on it {deeds.effects} times"
        ),
    ]
    report.undetected_duplicates += any(doubled)


def _done_is_done(check: Check, evidence: Evidence) -> None:
    """An answered delivery has an effect at its department, and the answer is the one that was given there."""
    sheets = {row["delivery"]: row["number"] for row in evidence.tables["sheet"]}
    situations = {row["delivery"]: row["situation"] for row in sorted(evidence.tables["attempt"], key=_number)}
    kinds: dict[str, set[str]] = defaultdict(set)
    for row in evidence.tables["reply"]:
        if row["verdict"] == "applied":
            kinds[row["delivery"]].add(row["kind"])
    by_hand = _settled_by_hand(evidence)
    for row in evidence.tables["delivery"]:
        on_paper = situations.get(row["id"]) == "paper"
        ledger, name = (PAPER_LEDGER, sheets.get(row["id"], "")) if on_paper else (row["system"], row["id"])
        if ledger not in evidence.systems or row["id"] in by_hand or row["state"] not in ANSWERED:
            continue
        deeds = evidence.later.get(name)
        if not check.expect(deeds and deeds.effects, f"{row['id']}: {row['state']}, but {ledger} never acted on it"):
            continue
        said = (
            frozenset().union(*(MEANT.get(note.split()[0], frozenset()) for note in deeds.replies if note))
            if deeds
            else frozenset()
        )
        for kind in sorted(kinds[row["id"]]):
            check.expect(
                kind in said, f"{row['id']}: recorded as {kind}, {ledger} said {', '.join(sorted(said)) or 'nothing'}"
            )


def _number(row: Row) -> int:
    return int(row["number"])


def _settled_by_hand(evidence: Evidence) -> frozenset[str]:
    """Deliveries whose end a person reported: no department is a witness of that."""
    asked = {
        row["delivery"]
        for row in evidence.tables["task"]
        if row["kind"] in ("unknown", "dead", "decide") and row["state"] == "completed"
    }
    return frozenset(
        row["id"]
        for row in evidence.tables["delivery"]
        if row["cause"] == "person" or (row["cause"] == "late_reply" and row["id"] in asked)
    )


def leases(evidence: Evidence, *, stopped: bool) -> Check:
    """I4: what is claimed or being sent has somebody behind it; after a clean stop nothing is.

    The newest time in the journal is the latest at which the hub is known to have lived; a lease that ended before is dead.
    """
    check = Check()
    newest = max((row["at"] for row in evidence.tables["journal"]), default=0)
    running = {
        (row["delivery"], row["number"], row["fence"])
        for row in evidence.tables["attempt"]
        if row["state"] == "started"
    }
    for row in evidence.tables["delivery"]:
        if row["state"] not in ("claimed", "sending"):
            continue
        alive = row["claimed_by"] and (row["lease_until"] or newest) >= newest
        if row["state"] == "claimed":
            alive = alive and row["lease_until"] is not None
        else:
            alive = alive and (row["id"], row["attempts"], row["fence"]) in running
        check.expect(alive and not stopped, f"{row['id']}: {row['state']}, and nobody has it")
    return check


def files_agree(evidence: Evidence) -> Check:
    """I6: each file that went out is a sealed batch, and each batch that was sent is a file; the content decides."""
    check = Check()
    batches = [row for row in evidence.tables["batch"] if row["situation"] == "file_drop"]
    sealed = count(batches, "system", "digest")
    travelled = count((row for row in batches if row["state"] in TRAVELLED), "system", "digest")
    for system, files in evidence.files_before.items():
        known = {digest for name, digest in sealed if name == system}
        seen: Counter[str] = Counter()
        for file in _data_files(files, known):
            seen[file.digest] += 1
            allowed = sealed[system, file.digest]
            check.expect(seen[file.digest] <= allowed, f"{system} {file.path}: a file that is no batch of the hub")
    for (system, digest), number in travelled.items():
        there = sum(file.digest == digest for file in evidence.files_after.get(system, ()))
        check.expect(there >= number, f"{system}: a batch with digest {digest[:12]} was sent, its file is not there")
    return check


def _data_files(files: Iterable[Found], known: set[str]) -> list[Found]:
    """All but the control files that stand beside batches, one each: under the same stem, or under its name and one more suffix."""
    stems: dict[str, list[tuple[str, Found]]] = defaultdict(list)
    listed = [(file.path.rpartition("/")[2], file) for file in files]
    names = {name for name, _ in listed}
    for name, file in listed:
        stem = name.rpartition(".")[0]
        stems[stem.rpartition(".")[0] if stem in names else stem].append((name, file))
    found = []
    for group in stems.values():
        batches = {name for name, file in group if file.digest in known}
        data = [file for name, file in group if file.digest in known or name in batches or not batches]
        controls = [file for name, file in group if file not in data]
        found += data + controls[sum(file.digest in known for file in data) :]
    return found


_SAMPLE = re.compile(r"^(onedoor_[a-z_]+)\{([^}]*)\} ([0-9.e+]+)$", re.MULTILINE)
_LABEL = re.compile(r'([a-z_]+)="([^"]*)"')


def gauges(evidence: Evidence, metrics: str) -> Check:
    """I7: the gauges of a metrics text, taken while nothing moved, equal the counts of the tables."""
    check = Check()
    told: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
    for name, labels, value in _SAMPLE.findall(metrics):
        told[name][tuple(text for _, text in sorted(_LABEL.findall(labels)))] = float(value)
    tables = evidence.tables
    true = {
        "onedoor_cases": count(tables["case_file"], "status"),
        "onedoor_deliveries": count(tables["delivery"], "state", "system"),
        "onedoor_tasks": count((row for row in tables["task"] if row["state"] in OPEN_TASKS), "kind", "state"),
    }
    for name, counts in true.items():
        for labels in sorted({*counts, *told[name]}):
            said = told[name].get(labels, 0.0)
            check.expect(said == counts[labels], f"{name} {'/'.join(labels)}: {said:g} told, {counts[labels]} there")
    return check
