"""Claimed turns: a server asks the others on a run to wait for one commit of its own.

Belongs here: claiming the next commit, and waiting while another server has claimed it. Does not belong here: pauses between
commits (`contention.py`), the statements (`app/store/runs.py`).

A change of the layout takes tens of milliseconds to decide; a batch of sales takes two. While another server sells as fast as
it can, the change would lose every swap. So after its first lost swap it claims its turn, by a commit that changes nothing and
wins as any sale does. The other servers lose their swap against it, read the claim, and wait until a commit has followed or the
claim expires. Servers of earlier versions do not wait; a commit of theirs ends the claim.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from app.lanes.resources import LaneResources
from app.store.cached_run import CachedRun

# Reads a run again; see `BatchCommitter`.
CatchUp = Callable[[CachedRun], Awaitable[CachedRun]]

# A claim is as quick as a sale, so that it wins about every other time.
_CLAIMS_MAX = 10
# A claim lasts twice as long as the attempt that was lost: busy servers take their time.
_ATTEMPTS_CLAIMED = 2.0
_CLAIM_SECONDS_MIN = 0.05
# So long the callers of the other servers wait at most where the server that claimed the turn has ended.
_CLAIM_SECONDS_MAX = 3.0
# How often a waiting server reads the run: each reading costs about as much as a sale.
_POLL_SECONDS = 0.02


class ClaimedTurns:
    """Claims turns on one run, and waits for those that others have claimed."""

    def __init__(self, resources: LaneResources) -> None:
        self._resources = resources
        self._claimed_version = 0

    async def claim(self, cached: CachedRun, lost_seconds: float, catch_up: CatchUp) -> CachedRun:
        """Claim the next commit on the run, after an attempt that took so long and was lost. Return the run as it is then.

        Where others win all attempts, the command is decided without a claim.
        """
        resources = self._resources
        seconds = min(max(lost_seconds * _ATTEMPTS_CLAIMED, _CLAIM_SECONDS_MIN), _CLAIM_SECONDS_MAX)
        for _ in range(_CLAIMS_MAX):
            cached = await self.wait(cached, catch_up)
            expire_time = resources.clock() + timedelta(milliseconds=round(seconds * 1_000))
            if await resources.runs.claim_turn(cached, resources.server_id, expire_time):
                self._claimed_version = cached.run.version
                break
            cached = await catch_up(cached)
        return cached

    async def release(self, cached: CachedRun) -> None:
        """End this server's claim where its command has changed nothing, so that nobody waits for it."""
        if self._claimed_version == cached.run.version:
            await self._resources.runs.release_turn(cached.run)

    async def wait(self, cached: CachedRun, catch_up: CatchUp) -> CachedRun:
        """Wait while another server has claimed the next commit. Return the run as it is then."""
        for _ in range(round(_CLAIM_SECONDS_MAX / _POLL_SECONDS)):
            claim = cached.claimed_turn
            if claim is None or claim.server_id == self._resources.server_id or claim.expire_time <= self._resources.clock():
                break
            await asyncio.sleep(_POLL_SECONDS)
            cached = await catch_up(cached)
        cached.claimed_turn = None
        return cached
