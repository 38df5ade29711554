"""A sender that loses nothing: what it sends and what was acknowledged stands synced in its own log before anything else happens.

One JSON line each, a file a sender; the oracle holds the hub to it:

    sent    about to send this message, again or for the first time
    acked   the hub answered 202: from now on it must have it
    refused the hub answered that it will never take it
"""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import aiohttp

CASE_TYPE: Final = "org.onedoor.case.submit.v1"
EVENT_TYPE: Final = "org.onedoor.case.event.v1"
_STRUCTURED: Final = {"Content-Type": "application/cloudevents+json"}


class SenderLog:
    """An append-only file, synced line by line."""

    def __init__(self, path: Path, *, synced: bool = True) -> None:
        """``synced`` False: for a city that cannot crash."""
        self._file = path.open("a", encoding="utf-8")
        self._synced = synced

    def write(self, kind: str, source: str, message_id: str, case_no: str = "", status: int = 0) -> None:
        """Append and sync. ``status``: of the HTTP answer. Blocks."""
        entry = {
            "kind": kind,
            "source": source,
            "id": message_id,
            "case_no": case_no,
            "status": status,
            "at": datetime.now(UTC).isoformat(),
        }
        self._file.write(json.dumps(entry) + "\n")
        if self._synced:
            self._file.flush()
            os.fdatasync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class RefusedError(Exception):
    """The hub will not take this message however often it comes: the status and its problem document."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(f"{status}: {problem}")
        self.status = status


@dataclass(slots=True)
class Tally:
    """What a sender has seen: answers by status, and tries that got none."""

    acked: int = 0
    retries: int = 0
    statuses: dict[int, int] = field(default_factory=dict)


class Sender:
    """Sends cases and events with one key under one CloudEvents source; tries the same id again until it is acknowledged."""

    def __init__(self, url: str, key: str, source: str, log: Path, *, pause_seconds: float = 0.2) -> None:
        """``url``: of the hub; ``log``: the sender's own file; ``pause_seconds``: before the second try, doubling up to its tenfold."""
        self.source = source
        self.tally = Tally()
        self.cases: list[str] = []
        self._url = url
        self._log = SenderLog(log)
        self._pause = pause_seconds
        self._http = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {key}"}, timeout=aiohttp.ClientTimeout(total=15)
        )

    async def submit(self, message_id: str, data: Mapping[str, Any]) -> str:
        """Hand in a case; the case number. ``data``: a case application. Raises RefusedError."""
        case_no = await self._send("/v1/cases", message_id, CASE_TYPE, data)
        self.cases.append(case_no)
        return case_no

    async def event(self, message_id: str, case_no: str, data: Mapping[str, Any]) -> str:
        """Put an event to a case. Raises RefusedError."""
        return await self._send(f"/v1/cases/{case_no}/events", message_id, EVENT_TYPE, data)

    async def _send(self, path: str, message_id: str, kind: str, data: Mapping[str, Any]) -> str:
        envelope = {"specversion": "1.0", "id": message_id, "source": self.source, "type": kind, "data": data}
        body = json.dumps(envelope, ensure_ascii=False).encode()
        pause = self._pause
        while True:
            await asyncio.to_thread(self._log.write, "sent", self.source, message_id)
            status, answer = await self._post(path, body)
            self.tally.statuses[status] = self.tally.statuses.get(status, 0) + 1
            if status == 202:
                case_no = str(json.loads(answer)["case_no"])
                await asyncio.to_thread(self._log.write, "acked", self.source, message_id, case_no, status)
                self.tally.acked += 1
                return case_no
            if 400 <= status < 500 and status not in (408, 429):
                await asyncio.to_thread(self._log.write, "refused", self.source, message_id, "", status)
                raise RefusedError(status, answer)
            self.tally.retries += 1
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._pause * 10)

    async def _post(self, path: str, body: bytes) -> tuple[int, str]:
        """Status and body; 0 when there was no answer."""
        try:
            async with self._http.post(self._url + path, data=body, headers=_STRUCTURED) as answer:
                return answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return 0, ""

    async def close(self) -> None:
        """Give the connection and the log back."""
        await self._http.close()
        self._log.close()

    async def __aenter__(self) -> "Sender":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
