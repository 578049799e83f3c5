"""What tests of outages share: the settings of the processes, and waiting until all work is done.

Belongs here: settings with short timeouts, and conditions. Not here: what is killed.
"""

from __future__ import annotations

import asyncio

from tests.e2e.ledgers import find_inconsistencies
from tests.support.replica_set import SECONDS_MAX, ReplicaSet, database_of
from tests.support.server_processes import seatline
from tests.support.world import eventually

# As short as possible, so that the jobs of a killed worker are soon taken over.
LEASE_SECONDS = 5
SETTINGS = {
    "SEATLINE_JOB_LEASE_SECONDS": str(LEASE_SECONDS),
    "SEATLINE_JOB_POLL_SECONDS": "0.1",
    "SEATLINE_HEALTH_INTERVAL_SECONDS": "0.2",
    "SEATLINE_DRAIN_SECONDS": "2",
}
# Times out before an election is over, and so does not know the result of its statements.
IMPATIENT = {"SEATLINE_MONGODB_OPERATION_SECONDS_MAX": "0.5", "SEATLINE_MONGODB_SELECTION_SECONDS_MAX": "0.4"}
_TOLD_MAX = 10


async def settled(members: ReplicaSet) -> None:
    """Return when all work is done and `seatline verify` finds nothing wrong; fail with what remains."""
    wrong: list[str] = []

    async def agrees() -> bool:
        wrong[:] = await asyncio.to_thread(find_inconsistencies, database)
        return not wrong

    with database_of(members) as database:
        try:
            await eventually(agrees, SECONDS_MAX)
        except AssertionError:
            told = "\n  ".join(wrong[:_TOLD_MAX])
            raise AssertionError(f"not settled within {SECONDS_MAX:g} s, {len(wrong)} disagreements:\n  {told}") from None
    verified = await asyncio.to_thread(seatline, "verify", SEATLINE_MONGODB_URI=members.uri)
    assert (verified.returncode, verified.stderr) == (0, ""), verified
    assert len(verified.stdout.splitlines()) == 1, verified.stdout
    assert verified.stdout.endswith(": nothing is wrong.\n")
