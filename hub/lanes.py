"""Lanes: the in-memory queue of each system. What one system does never slows another.

A lane claims a bounded number of due deliveries, lets them go at its system's concurrency, rate and opening hours, and
stops for its breaker or a hold. It keeps nothing that a restart could lose: whatever it has claimed is in the outbox.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

import structlog

from contracts.delivery import Delivery, Outcome
from contracts.errors import CredentialsError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.plugin import BatchGateway, Gateway
from contracts.situation import ChannelStatus, OpeningHours
from hub import attempts, clock, metrics, results
from hub.admission import Breaker, BreakerState, Rate, RetryBudget
from hub.at_hand import AtHand
from hub.batch_turns import batch_turn
from hub.core import Core
from hub.places import Place
from hub.queues import hold_queue, release_queue
from hub.results import Begun, LeaseLost, lane_name
from hub.store.connection import Row, StoreUnavailable
from hub.systems import OpenChannel, is_batching

log = structlog.get_logger("onedoor.lanes")

NOT_OPEN = "not_open"
"""Why a lane is held whose channel could not be opened; the next start that can open it lets it go."""

PATIENCE_SECONDS = 1.0
"""What has been due for so long goes before deliveries that open now (real seconds)."""

SUSPECT_SECONDS = 0.2
"""When a lane looks again that has nothing at hand but what must go alone."""


class Lane:
    """The queue of one system over its sending channel, or of what goes by one of its fallback channels (``via``)."""

    def __init__(self, core: Core, opened: OpenChannel, held: str | None) -> None:
        self.core = core
        self.system = opened.system
        self.opened = opened
        self.held = held
        self.via = "" if opened.channel.status is ChannelStatus.SENDING else opened.channel.situation.value
        self.name = lane_name(opened.system, self.via)
        limits = opened.channel.limits
        self.concurrency = limits.concurrency
        self._always_open = limits.opening_hours == OpeningHours()
        self.rate = Rate(limits.rate_per_second)
        self.wire = Rate(limits.rate_per_second)
        """The same once more where the bytes leave: commits shared by a group would let a few go together."""
        self.breaker = Breaker(core.settings.breaker_failures, core.settings.breaker_seconds)
        self.budget = RetryBudget()
        self.tripped_at: int | None = None
        self._tripped = metrics.BREAKER_OPEN.labels(self.name)
        self.in_flight = 0
        self._promised = 0  # places of units that are not committed yet
        self.at_hand = AtHand(core, (self.system, self.via), self.rate, self.budget)
        self.stopping = False
        self._awake = asyncio.Event()
        self._wake_at: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: asyncio.Task[None] | None = None

    def wake(self, at: int | None = None) -> None:
        """Look at the queue now, or at ``at`` (ms of the civil clock)."""
        now = self.core.now_ms()
        if at is None or at <= now:
            self._look()
            return
        seconds = (at - now) / 1000 / self.core.settings.clock.speed
        when = asyncio.get_running_loop().time() + seconds
        if self._wake_at is None or when < self._wake_at:
            self._wake_at = when
            asyncio.get_running_loop().call_later(min(seconds, 600.0), self._alarm, when)

    def _alarm(self, when: float) -> None:
        if self._wake_at == when:
            self._wake_at = None
        self._look()

    def _look(self) -> None:
        self.at_hand.look()
        self._awake.set()

    async def run(self) -> None:
        """Until cancelled or stopped."""
        self._running = asyncio.current_task()
        while not self.stopping:
            self._awake.clear()
            try:
                wait = await self._turn()
            except StoreUnavailable as error:
                log.warning("store_unavailable", system=self.system, why=str(error))
                wait = 1.0
            except Exception as error:  # noqa: BLE001 - whatever went wrong, this lane must go on
                log.error("lane_stumbled", system=self.system, error=type(error).__name__)
                metrics.BUGS.labels("lane").inc()
                wait = 1.0
            if wait > 0 and not self.stopping:
                await self._sleep(wait)
        await self.at_hand.give_back()

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(min(seconds, self.core.settings.look_seconds)):
                await self._awake.wait()
        except TimeoutError:
            self._look()

    async def _turn(self) -> float:
        """Start what may start; returns real seconds until the next look unless woken."""
        gateway = self.opened.gateway
        if gateway is None and self.held is None:
            await self.hold("hub", NOT_OPEN)
        if self.held is not None or gateway is None:
            return 0.0 if await self._hold_due(self.held) else self.core.settings.look_seconds
        closed = self._closed_for()
        if closed > 0:
            return closed
        room = self._room()
        if room <= 0:
            return self.breaker.wait(self.core.runtime.monotonic()) or self.core.settings.look_seconds
        if is_batching(self.opened) and isinstance(gateway, BatchGateway):
            return await batch_turn(self, gateway) or self.core.settings.look_seconds
        if self.at_hand.due_since is not None and len(self.at_hand) < room:
            next_at = await self.at_hand.claim(room)
            if next_at is not None:
                self.wake(next_at)
            if self._must_stop():  # meanwhile
                await self.at_hand.give_back()
                return 0.0
        return self._start_some(gateway)

    def _start_some(self, gateway: Gateway) -> float:
        """Let claims go as far as rate and room allow; returns real seconds until the next look unless woken."""
        while self.at_hand and self._room() > 0:
            now = self.core.runtime.monotonic()
            wait = self.rate.wait(now)
            if wait > 0:
                return wait
            row = self.at_hand.take()
            if row is None:
                return SUSPECT_SECONDS
            self.rate.took(now)
            self.in_flight += 1
            self._start(self._suspected(row, gateway) if row["unfinished"] > 0 else self._attempt(row, gateway))
        return 0.0 if self.at_hand.due_since is not None and self._room() > 0 else self.core.settings.look_seconds

    async def _hold_due(self, why: str | None) -> bool:
        """Hold what is due; whether there may be more."""
        if why is None:
            return False
        moved = await self.core.commit(
            "hold_due", lambda c: results.hold_due(c, self.core.city, self.system, why, self.core.now_ms(), self.via)
        )
        return moved == results.QUEUE_CHUNK

    def _must_stop(self) -> bool:
        return self.held is not None or self.stopping

    def _room(self) -> int:
        room = self.concurrency - self.in_flight
        limit = self.breaker.room(self.core.runtime.monotonic(), self.in_flight)
        return room if limit is None else min(room, limit)

    def _closed_for(self) -> float:
        if self._always_open:
            return 0.0
        now = self.core.runtime.now()
        try:
            opens = clock.next_open(now, self.opened.channel.limits.opening_hours, self.core.city.calendar)
        except clock.MissingYear:
            return 0.0
        return max((opens - now).total_seconds(), 0.0) / self.core.settings.clock.speed

    def has_room(self) -> bool:
        """Whether a delivery that opens now may leave at once, without the way through the outbox.

        Never where a rate is to be kept: how long a commit takes would be added to the distance of two departures.
        """
        if self._must_stop() or self.opened.gateway is None or is_batching(self.opened) or self.rate.per_second:
            return False
        since = self.at_hand.due_since
        waited = 0.0 if since is None else self.core.runtime.monotonic() - since
        return waited <= PATIENCE_SECONDS and self._room() > 0 and self._closed_for() <= 0

    def take_place(self, delivery: Delivery) -> Place | None:
        """A place for it, held until it has been answered or the place is given back; None when it cannot be mapped, or not at once."""
        if attempts.is_large(delivery):
            return None
        payload, refused = attempts.prepared(self.opened.gateway, delivery)
        if refused is not None:
            return None
        self.budget.left(retry=False)
        self.in_flight += 1
        self._promised += 1
        return Place(self, attempts.with_payload(delivery, payload))

    def leave(self, begun: Begun, delivery: Delivery) -> None:
        """Send what has its place and is committed."""
        assert self.opened.gateway is not None
        self._promised -= 1
        self._start(self._send(begun, delivery, self.opened.gateway))

    def take_back(self) -> None:
        """The unit that had taken a place was undone."""
        self._promised -= 1
        self.free_place()

    def free_place(self) -> None:
        """The next one may go, if one waits."""
        self.in_flight -= 1
        if self.at_hand or self.at_hand.due_since is not None or self.stopping:
            self._awake.set()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("attempt_not_recorded", system=self.system, error=type(task.exception()).__name__)

    async def _attempt(self, row: Row, gateway: Gateway) -> None:
        """Begin the attempt of a claimed delivery, and send it."""
        try:
            begun, delivery = await attempts.begin_one(self.core, row, gateway, self.opened.channel.situation)
        except BaseException as error:
            self.free_place()
            if isinstance(error, LeaseLost):
                return  # nobody was asked anything
            raise
        if isinstance(delivery, Delivery):
            await self._send(begun, delivery, gateway)
        else:
            self.free_place()
            await self._settle(begun, delivery)

    def _suspected(self, row: Row, gateway: Gateway) -> Coroutine[None, None, None]:
        """The attempt of one that was on its way when a process died: no other of its kind begins meanwhile."""
        self.core.suspect_out = True

        async def attempt() -> None:
            try:
                await self._attempt(row, gateway)
            finally:
                self.core.suspect_out = False
                self._awake.set()

        return attempt()

    async def _send(self, begun: Begun, delivery: Delivery, gateway: Gateway) -> None:
        """The department bears it until it has answered: then its place is free, and what it said is committed."""
        try:
            await self._in_step()
            result = await attempts.send(self.core, delivery, gateway, self.opened.channel.limits.attempt_seconds)
            self._judge(result)
        finally:
            self.free_place()
        await self._settle(begun, result)

    async def _in_step(self) -> None:
        """Wait until the rate lets the next one out of the house."""
        now = self.core.runtime.monotonic
        while (wait := self.wire.wait(now())) > 0:  # noqa: ASYNC110 - whoever wakes first takes the place
            await asyncio.sleep(wait)
        self.wire.took(now())

    async def _settle(self, begun: Begun, result: Outcome | BaseException) -> None:
        await attempts.settle(self.core, begun, result, self.system)
        await self._hold_if_refused(result)

    async def ask(self, enquiry: Callable[[], Awaitable[BaseException | None]]) -> bool:
        """Ask the department about a delivery, at the rate of the lane and only while its breaker lets somebody pass.

        ``enquiry`` gives the error it met. False: not now; nobody was asked.
        """
        now = self.core.runtime.monotonic()
        if self._must_stop() or self.breaker.room(now, self.in_flight) == 0:
            return False
        self.in_flight += 1
        try:
            wait = self.rate.wait(now)
            self.rate.took(now + wait)
            if wait > 0:
                await asyncio.sleep(wait)
            await self._in_step()
            await self.judge_and_hold(await enquiry())
        finally:
            self.in_flight -= 1
            self._awake.set()
        return True

    def _judge(self, result: object) -> None:
        """Tell the breaker; a refused login stops the whole lane."""
        if isinstance(result, CredentialsError):
            log.error("lane_held", system=self.system, why=result.code)
            self.held = "credentials"
        elif isinstance(result, PermanentError) or not isinstance(result, BaseException):
            self.breaker.succeeded()
        elif isinstance(result, TemporaryError | OutcomeUnknownError) or self.breaker.state is not BreakerState.CLOSED:
            self.breaker.failed(self.core.runtime.monotonic())
        tripped = self.breaker.state is not BreakerState.CLOSED
        self.tripped_at = (self.tripped_at or self.core.now_ms()) if tripped else None
        self._tripped.set(tripped)

    async def _hold_if_refused(self, result: object) -> None:
        if isinstance(result, CredentialsError):
            await self.hold("hub", "credentials")

    async def judge_and_hold(self, error: BaseException | None) -> None:
        """What asking, or a whole batch, met."""
        self._judge(error)
        await self._hold_if_refused(error)

    async def hold(self, by: str, why: str = "paused") -> int:
        """Stop sending: what is due is held. Returns how many deliveries."""
        self.held = why
        await self.at_hand.give_back()
        return await hold_queue(self.core, self.system, self.via, by, why)

    async def release(self, by: str) -> int:
        """Send again. Returns how many deliveries are due again."""
        self.held = None
        self.breaker.succeeded()
        self.tripped_at = None
        released = await release_queue(self.core, self.system, self.via, by)
        self.wake()
        return released

    async def drain(self, seconds: float) -> int:
        """Stop claiming, give back what was not tried, wait for what is in flight. Returns how many tries were cut off."""
        self.stopping = True
        self._awake.set()
        await self.at_hand.give_back()
        until = self.core.runtime.monotonic() + seconds
        while (work := self._at_work()) or self._promised:
            left = until - self.core.runtime.monotonic()
            if left <= 0:
                break
            if work:
                await asyncio.wait(work, timeout=left)
            else:
                await asyncio.sleep(min(left, 0.01))  # a unit has let something go that is not committed yet
        return len(self._at_work())

    async def cut_off(self) -> None:
        """End what is still under way after a drain: the next start takes it for unknown (R4), and nothing is written any more."""
        work = self._at_work()
        for task in work:
            task.cancel()
        if work:
            await asyncio.wait(work, timeout=attempts.GRACE_SECONDS)

    def _at_work(self) -> "set[asyncio.Task[None]]":
        """Attempts under way, and the turn: a batch is sent within one."""
        turn = {self._running} if self._running is not None else set()
        return {task for task in (*turn, *self._tasks) if not task.done()}
