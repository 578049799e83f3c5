"""Databases to verify: one that the service and its worker filled, and copies of it to break.

Belongs here: selling, cancelling, waiting, holding and paying through a server until nothing is under way. Not here:
assertions.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc

from app.domain.payments import PaymentState
from app.embedded.mongod import EmbeddedMongod
from app.pb.seatline.v1 import booking_pb2, hold_pb2
from app.process.payment_providers import PAYMENT_PROVIDERS
from app.store.driver import Database, connect
from app.usecases.verification.layouts import verify_layout_jobs, verify_layout_outcomes, verify_train_versions
from app.usecases.verification.notices import verify_notices, verify_notification_preferences
from app.usecases.verification.payments import verify_ledger, verify_payments
from app.usecases.verification.records import (
    verify_deliveries,
    verify_events,
    verify_jobs,
    verify_trains,
    verify_users,
    verify_webhooks,
)
from app.usecases.verification.report import PAGE, AuditContext, Report, Scope
from app.usecases.verification.runs import verify_one_run
from app.usecases.verification.verification import Verification, audit_sources
from tests.support.clients import ASHFORD, LONDON, PARIS, Run, booking_request
from tests.support.world import NEXT_DATE, TRAVEL_DATE, World, eventually, running_server, settings_for

Document = dict[str, Any]
Documents = dict[str, list[Document]]
FIRST, SECOND = f"es9014:{TRAVEL_DATE}", f"es9014:{NEXT_DATE}"
WAIT = booking_pb2.IF_FULL_WAITLIST
# The part of a verification that reads a collection first.
_PARTS: dict[str, Callable[[AuditContext], Awaitable[None]]] = {
    "payments": verify_payments,
    "ledger": verify_ledger,
    "events": verify_events,
    "jobs": verify_jobs,
    "notices": verify_notices,
    "notification_preferences": verify_notification_preferences,
    "layout_outcomes": verify_layout_outcomes,
    "layout_jobs": verify_layout_jobs,
    "train_versions": verify_train_versions,
    "trains": verify_trains,
    "users": verify_users,
    "webhooks": verify_webhooks,
    "webhook_deliveries": verify_deliveries,
}
# Tokens of the ledger: one whose capture always fails, and one whose authorization is answered late.
NEVER_PAYS, PAYS_LATE = "tok_capture_fails", "tok_succeed_late"


def now() -> datetime:
    return datetime.now(UTC)


async def verify(database: Database, *, tolerance_seconds: float = 0.0, scope: Scope | None = None) -> Report:
    """Verify a database and return the report."""
    return await Verification(
        audit_sources(database, PAYMENT_PROVIDERS.names, now), timedelta(seconds=tolerance_seconds), scope
    ).verify()


class _FoundError(Exception):
    """Ends a verification that has found something."""


def findings_of(report: Report) -> set[tuple[str, str, str]]:
    """Return what was found, apart from whether it is a warning."""
    return {(finding.check, finding.subject, finding.text) for finding in report.findings}


async def finds_something(
    database: Database, collection: str, record: Document, besides: Collection[tuple[str, str, str]] = ()
) -> bool:
    """Verify a database until the first finding that is not among `besides`, and return whether there is one.

    `record` is the document of `collection` that was changed, as it was before. The part of a verification that reads it comes
    first, as it most likely finds the change; a whole verification follows where that part finds nothing.
    """

    def stop_once_found(collection: str, count: int) -> None:
        if not findings_of(context.report) <= set(besides):
            raise _FoundError

    sources = audit_sources(database, PAYMENT_PROVIDERS.names, now)
    verification = Verification(sources, timedelta(0), None, stop_once_found)
    context = verification._context
    try:
        await _verify_part(context, collection, record)
        stop_once_found(collection, 0)
        return not findings_of(await verification.verify()) <= set(besides)
    except _FoundError:
        return True


async def _verify_part(context: AuditContext, collection: str, record: Document) -> None:
    """Verify the run of a record alone if a whole verification comes to it; of other records, their collection."""
    if collection in ("train_runs", "bookings"):
        run_id = record["_id" if collection == "train_runs" else "run_id"]
        if run_id in {size.run_id for size in await context.runs.list_runs("", PAGE, "")}:
            await verify_one_run(context, run_id)
    else:
        await _PARTS[collection](context)


async def hold(world: World, run: Run, who: str) -> hold_pb2.Hold:
    """Hold one seat of section A."""
    request = hold_pb2.HoldSeatsRequest(
        request_id=str(uuid.uuid4()),
        train_id=run.train_id,
        travel_date=run.travel_date,
        origin=LONDON,
        destination=PARIS,
        section="A",
        seat_count=1,
    )
    return await world.api_client(who).holds.HoldSeats(request, metadata=(("x-seatline-user", f"{who}@example.com"),))


async def fill(world: World) -> None:
    """Fill two runs with everything that the service does, until nothing is left to do.

    On the first run, A-1 was freed and is Gus's as far as Ashford; Fay chose A-6, Kim booked a held seat, Hal holds one; B-1 is
        Cem's, and Dan waits for it. Ann cancelled, and so did Una before her money failed to come. Pat paid late on the second.
    """
    run, other = await world.runs("A6 B1", TRAVEL_DATE, NEXT_DATE)
    ann, una = world.api_client("ann"), world.api_client("una")
    cancelled = await ann.book(run, section="A")
    await world.api_client("bob").book(run, "bob", "bea", section="A")
    unpaid = await una.send(booking_request(run, "una", section="A", payment_token=NEVER_PAYS))
    await una.cancel(unpaid.reference)
    await ann.cancel(cancelled.reference)
    await world.api_client("fay").book(run, section="A", seats=[6])
    await world.api_client("gus").book(run, section="A", seats=[1], destination=ASHFORD)
    await world.api_client("cem").book(run, section="B")
    await world.api_client("dan").send(booking_request(run, "dan", section="B", if_full=WAIT))
    held = await hold(world, run, "kim")
    await world.api_client("kim").send(booking_request(run, "kim", hold_id=held.hold_id))
    await hold(world, run, "hal")
    request = booking_request(other, "pat", section="A", payment_token=PAYS_LATE)
    with suppress(grpc.aio.AioRpcError):  # it is not answered the first time
        await world.api_client("pat").send(request)
    await world.api_client("pat").send(request)
    world.server.start_worker()
    await eventually(lambda: _is_done(world))
    for run_id in (FIRST, SECOND):
        await world.server.store.runs.archive_leftovers(run_id)


async def _is_done(world: World) -> bool:
    database = world.database
    bookings = await database["bookings"].count_documents({})
    settled = [PaymentState.CAPTURED.value, PaymentState.VOIDED.value]
    undone = {"$or": [{"state": {"$nin": settled}}, {"refunds.state": "PENDING"}]}
    return (
        bookings == len(BOOKED)
        and await database["payments"].count_documents({}) == bookings
        and await database["payments"].count_documents(undone) == 0
        and await database["events"].count_documents({"is_new": True}) == 0
        and await database["bookings"].count_documents({"user.email": "una@example.com", "charged_minor": 0}) == 1
    )


BOOKED = ("ann", "bob", "una", "fay", "gus", "cem", "dan", "kim", "pat")


async def everything_in(database: Database) -> Documents:
    """Return all documents, by collection."""
    return {name: await database[name].find().to_list(1_000) for name in await database.list_collection_names()}


async def make_copy(documents: Documents, database: Database) -> None:
    """Replace all documents of a database by these, without any index."""
    for name in {*await database.list_collection_names(), *documents}:
        await database[name].delete_many({})
        if documents.get(name):
            await database[name].insert_many(documents[name])


async def filled_documents(mongod: EmbeddedMongod, fill: Callable[[World], Awaitable[None]], **chosen: Any) -> Documents:
    """Fill a database through a server with a worker, and these settings. Return its documents by collection, if it has any."""
    async with running_server(settings_for(mongod.uri, **chosen)) as world:
        await fill(world)
        await world.server.stop_worker()
        documents = await everything_in(world.database)
        await world.database.client.drop_database(world.database.name)
    return {name: stored for name, stored in documents.items() if stored}


@asynccontextmanager
async def a_copy(mongod: EmbeddedMongod, name: str, documents: Documents) -> AsyncIterator[Database]:
    """Yield a database of that name with copies of these documents and nothing else."""
    client = connect(mongod.uri, operation_seconds_max=10, selection_seconds_max=5, connections_max=5)
    copy = client[name]
    await make_copy(documents, copy)
    yield copy
    client.close()
