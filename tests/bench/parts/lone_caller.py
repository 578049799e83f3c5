"""How long does a lone caller wait?

Belongs here: one caller of CreateBooking against a bare guarded update of a similar document by the same driver. Does not
belong here: crowds.
"""

from __future__ import annotations

from time import perf_counter_ns

from motor.motor_asyncio import AsyncIOMotorClient

from app.pb.seatline.v1 import booking_pb2
from tests.bench import naive, requests
from tests.bench.figures import Volley, median_ratio, percentile
from tests.bench.requests import RunKey
from tests.bench.stage import Document, Stage, document_id

SEATS = 1_000
COLLECTION = "bench_bare_runs"


def measure_lone_caller(stage: Stage) -> None:
    """Measure rounds of bookings by one caller and of bare updates."""
    scale = stage.scale
    run = stage.fresh_runs(SEATS)[0]
    stage.sell([run] * 10, 1)
    stage.database[COLLECTION].insert_one(stage.runs.find_one({"_id": document_id(run)}) or {})
    bookings: list[Volley] = []
    echoes: list[Volley] = []
    updates: list[float] = []
    for _ in range(scale.rounds):
        bookings.append(stage.sell([run] * scale.lone_calls, 1))
        updates.append(stage.wait(_bare_updates(stage, run)))
        echoes.append(stage.echo(scale.lone_calls, 1))
    stage.audit("lone", [run])
    stage.results.add_volleys("lone", bookings)
    stage.results.add_volleys("lone_echo", echoes)
    stage.results.add("bare_update_p50", sorted(updates)[len(updates) // 2], "ms")
    stage.results.add_ratio("lone_p50_to_update", median_ratio([volley.p50_ms for volley in bookings], updates))


async def _bare_updates(stage: Stage, run: RunKey) -> float:
    """Return the median time in ms of an update alone that sells one seat and is acknowledged by a majority."""
    client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(stage.mongod.uri, w="majority", tz_aware=True)
    runs = client[stage.host.database][COLLECTION]
    document = await runs.find_one({"_id": document_id(run)}) or {}
    spans: list[float] = []
    for call in requests.booking_calls(requests.CREATE_BOOKING, [run] * stage.scale.lone_calls):
        request = booking_pb2.CreateBookingRequest.FromString(call.message)
        values, booking = naive.sale(document, request)
        update = {"$set": {**values, "recent": [booking]}}
        guard = {"_id": document["_id"], "version": document["version"]}
        start_ns = perf_counter_ns()
        before = await runs.find_one_and_update(guard, update, projection={"_id": 1})
        spans.append((perf_counter_ns() - start_ns) / 1e6)
        if before is None:
            raise RuntimeError("somebody else changed the document of the bare updates")
        document = await runs.find_one({"_id": document["_id"]}) or {}
    client.close()
    return percentile(sorted(spans), 0.5)
