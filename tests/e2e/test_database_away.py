"""MongoDB is away for ten seconds under load: callers soon get an error, the process goes on, and service resumes by itself."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import grpc

from tests.e2e.outages import settled
from tests.support.clients import ApiClient, RefusedCall, Run, booking_request, decoded
from tests.support.health_checks import LIVENESS, all_health, health
from tests.support.replica_set import SECONDS_MAX, replica_set
from tests.support.server_processes import server_process, some_runs
from tests.support.world import eventually

CALLERS, AWAY_SECONDS, PAUSE_SECONDS = 64, 10.0, 0.3
# By default it is pinged every second with a timeout of two. The rest is for a busy machine.
NOTICED_SECONDS_MAX = 7.0
# Refusing takes a millisecond. Calls that look for a primary take the two seconds of `mongodb_selection_seconds_max`.
AT_ONCE_SECONDS = 1.0
AWAY = (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")


@dataclass(frozen=True)
class Answered:
    """A call: its start, its duration, and its error, if any."""

    begin: float
    seconds: float
    refused: RefusedCall | None


class Callers:
    """Callers who each book one seat after the other, and send a refused request again."""

    def __init__(self, channel: grpc.aio.Channel, runs: list[Run]) -> None:
        self.answers: list[Answered] = []
        self._channel, self._runs, self._goes_on = channel, runs, True
        self._tasks = [asyncio.create_task(self._call_again_and_again(caller)) for caller in range(CALLERS)]

    async def wait_for_bookings(self, since: float = 0.0) -> None:
        """Return when that many bookings as there are callers have been made since then."""

        async def have() -> bool:
            return sum(call.begin > since and call.refused is None for call in self.answers) >= CALLERS

        await eventually(have)

    async def leave(self) -> None:
        self._goes_on = False
        await asyncio.gather(*self._tasks)

    async def _call_again_and_again(self, caller: int) -> None:
        number = 0
        while self._goes_on:
            name, begin, refused = f"p{caller}n{number}", time.monotonic(), None
            run = self._runs[(caller + number) % len(self._runs)]
            try:
                await ApiClient(self._channel, name).send(booking_request(run, name, request_id=name))
                number += 1
            except grpc.aio.AioRpcError as error:
                refused = decoded(error)
            self.answers.append(Answered(begin, time.monotonic() - begin, refused))
            await asyncio.sleep(PAUSE_SECONDS)


async def test_calls_fail_soon_readiness_ends_liveness_stays_and_service_resumes(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        members = await stack.enter_async_context(replica_set(1))
        server = await stack.enter_async_context(
            server_process(tmp_path / "server", "--with-worker", SEATLINE_MONGODB_URI=members.uri)
        )
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.target))
        callers = Callers(channel, await some_runs(channel, "A200 B200", 10))
        living: set[str] = set()

        async def says(statuses: set[str]) -> bool:
            living.add(await health(channel, LIVENESS))
            return await all_health(channel) == statuses

        await callers.wait_for_bookings()
        members.members[0].kill()
        gone = time.monotonic()
        await eventually(lambda: says({"NOT_SERVING"}))
        noticed = time.monotonic()
        while time.monotonic() < gone + AWAY_SECONDS:
            assert await says({"NOT_SERVING"})
            await asyncio.sleep(PAUSE_SECONDS)
        members.members[0].start()
        await eventually(lambda: says({"SERVING"}), SECONDS_MAX)
        back = time.monotonic()
        await callers.wait_for_bookings(back)
        await callers.leave()

        assert noticed - gone < NOTICED_SECONDS_MAX
        assert living == {"SERVING"}
        refused = [call.refused for call in callers.answers if call.refused is not None]
        assert len(refused) > CALLERS
        # The ledger is in MongoDB, too: a call that was about to pay may fail with the provider's reason.
        assert {error.code for error in refused} == {grpc.StatusCode.UNAVAILABLE}, {error.says for error in refused}
        assert AWAY in {error.says for error in refused}
        assert all(error.retry_seconds > 0 for error in refused)
        assert max(call.seconds for call in callers.answers if call.begin < noticed) < NOTICED_SECONDS_MAX
        meanwhile = [call.seconds for call in callers.answers if noticed < call.begin < gone + AWAY_SECONDS]
        assert median(meanwhile) < AT_ONCE_SECONDS, "a busy machine delays some calls, and not most"
        assert max(meanwhile) < NOTICED_SECONDS_MAX
        await settled(members)
        assert "Traceback" not in server.output()
