"""Lists at the limits: a client accepts every answer by default, and the pages have every item once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.people import Person
from app.domain.run.new_run import make_run
from app.domain.train import StoredTrain
from app.store.booking_documents import booking_document
from tests.integration.jobs.test_job_service import JobClient
from tests.support.clients import Run
from tests.support.largest_values import NAME, largest_booking, largest_delivery, largest_job, largest_train
from tests.support.webhook_client import webhook_client
from tests.support.world import World

ANSWER_BYTES_MAX = 4 * 2**20  # gRPC's default for clients; these channels use it
FIRST_DATE = datetime.now(UTC).date() + timedelta(days=30)
RUNS = 200
TRAINS = 150
ROWS = 1_000
RECEIPTS = 200
DELIVERIES, JOBS = 100, 200


async def all_pages(call: Callable[[str], Awaitable[Any]], items: str) -> tuple[list[Any], int]:
    """Return all items of a list, and the number of its pages."""
    found: list[Any] = []
    token, pages = "", 0
    while pages == 0 or token:
        answer = await call(token)
        assert answer.ByteSize() <= ANSWER_BYTES_MAX
        assert len(getattr(answer, items)) > 0
        found += getattr(answer, items)
        token, pages = answer.next_page_token, pages + 1
    return found, pages


async def test_two_hundred_runs_with_the_longest_names_come_in_pages_that_a_client_accepts(real_world: World) -> None:
    train, store = largest_train(), real_world.server.store
    dates = [FIRST_DATE + timedelta(days=days) for days in range(RUNS)]
    await store.runs.insert_if_absent([make_run(train, day) for day in dates], datetime.now(UTC))
    found, pages = await all_pages(
        lambda token: real_world.api_client().list_runs(page_size=RUNS, page_token=token), "train_runs"
    )
    assert [run.travel_date for run in found] == [day.isoformat() for day in dates]
    assert pages == 2


async def test_the_largest_trains_come_in_pages_that_a_client_accepts(real_world: World) -> None:
    largest = largest_train()
    names = [f"t{number:031}" for number in range(TRAINS)]
    for name in names:
        kept = StoredTrain(replace(largest, train_id=name), name, datetime.now(UTC), 1)
        assert await real_world.server.store.trains.insert(kept)
    found, pages = await all_pages(lambda token: real_world.desk.list_trains(page_size=TRAINS, page_token=token), "trains")
    assert [train.train_id for train in found] == names
    assert pages == 2


async def keep_full_bookings(world: World, count: int, refunds: int, booker: Person) -> Run:
    """Store `count` bookings of nine passengers on a run, all by one booker, from seat 1 on."""
    run = make_run(replace(largest_train(), train_id="full"), FIRST_DATE)
    await world.server.store.runs.insert_if_absent([run], datetime.now(UTC))
    booking = replace(
        largest_booking().booking, journey=run.journey("", ""), user=booker, user_key=booker.key, cancelled_passengers=()
    )
    documents = [
        booking_document(
            replace(
                booking,
                reference=f"{number:06}",
                refunds=booking.refunds[:refunds],
                passengers=tuple(
                    replace(passenger, seat=replace(passenger.assigned_seat, number=number * len(booking.passengers) + index))
                    for index, passenger in enumerate(booking.passengers, 1)
                ),
            )
        )
        for number in range(count)
    ]
    await world.database["bookings"].insert_many(documents)
    return Run(train_id=run.train_id, travel_date=run.travel_date)


async def test_the_largest_receipts_come_in_pages_that_a_client_accepts(real_world: World) -> None:
    await keep_full_bookings(real_world, RECEIPTS, refunds=90, booker=Person(NAME, NAME, "jane@example.com"))
    desk = real_world.desk
    receipts, pages = await all_pages(
        lambda token: desk.receipts_page("jane@example.com", page_size=RECEIPTS, page_token=token), "receipts"
    )
    assert [receipt.reference for receipt in receipts] == [f"{number:06}" for number in range(RECEIPTS)]
    assert pages == 2


async def test_the_longest_rows_of_a_section_come_in_pages_that_a_client_accepts(real_world: World) -> None:
    run = await keep_full_bookings(real_world, ROWS // 9, refunds=0, booker=largest_booking().booking.user)
    desk, section = real_world.desk, largest_booking().booking.passengers[0].assigned_seat.section
    rows, pages = await all_pages(lambda token: desk.section_page(run, section, page_size=ROWS, page_token=token), "rows")
    assert [row.seat.number for row in rows] == list(range(1, ROWS // 9 * 9 + 1))
    assert pages == 2


async def test_the_longest_deliveries_come_in_pages_that_a_client_accepts(real_world: World) -> None:
    desk, largest = webhook_client(real_world), largest_delivery()
    webhook_id = (await desk.create()).webhook_id
    deliveries = [
        replace(largest, delivery_id=f"{number:06}:{webhook_id}", receiver_id=webhook_id) for number in range(DELIVERIES)
    ]
    await real_world.server.store.deliveries.insert_if_absent(deliveries)
    found, _ = await all_pages(
        lambda token: desk.deliveries_page(webhook_id, page_size=DELIVERIES, page_token=token), "deliveries"
    )
    assert [delivery.delivery_id for delivery in found] == [delivery.delivery_id for delivery in reversed(deliveries)]


async def test_the_longest_jobs_come_in_pages_that_a_client_accepts(real_world: World) -> None:
    desk = JobClient(real_world.channel, "desk", roles="operator")
    jobs = [replace(largest_job(), job_id=f"{'~' * 290}{number:010}") for number in range(JOBS)]
    await real_world.server.store.jobs.insert_if_absent(jobs)
    found, _ = await all_pages(lambda token: desk.page(page_size=JOBS, page_token=token), "jobs")
    assert [job.job_id for job in found] == [job.job_id for job in jobs]
