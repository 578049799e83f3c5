"""The end of a history: there are no more calls and no more faults, and the workers finish what is left.

Belongs here: finishing a history, and which invariants hold then. Does not belong here: the invariants (`invariants.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulation import disruption_invariants, invariants, layout_invariants, layout_job_invariants, waitlist_invariants
from tests.simulation.provider import CAPTURE_FAILS, DECLINES
from tests.simulation.record import Violation, require
from tests.support.event_batches import events_of_batches

if TYPE_CHECKING:
    from tests.simulation.world import World

# A job that has failed often waits for a quarter of an hour.
_ROUND_SECONDS = 1_000.0
_ROUNDS_MAX = 12
_AFTER_DEPARTURE_SECONDS = 4 * 24 * 3_600.0
_REPEATED_REQUESTS_MAX = 3
# In this order, each task finds the work that those before it have left.
_LAST_TASKS = (
    "archive leftovers",
    "expire due",
    "start layout jobs",
    "process outbox",
    "run jobs",
    "void abandoned payments",
)


def finish_history(world: World) -> None:
    """Have the workers do all work that is left, and check the state then. Raises Violation."""
    world.finish_all()
    world.is_faultless, world.provider.faults, world.callers.calls.answers_lost = True, 0.0, 0.0
    if world.rng.random() < 0.5:  # what was only in memory is lost
        for process in (*world.servers, *world.workers):
            process.crash()
    if world.rng.random() < (0.5 if world.scenario.disruption_share else 0.25):
        world.pass_time(_AFTER_DEPARTURE_SECONDS)
    for _ in range(_ROUNDS_MAX):
        world.pass_time(_ROUND_SECONDS)
        for name in _LAST_TASKS:
            worker = world.rng.choice(world.workers)
            worker.spawn(worker.run_task(name), name)
            world.finish_all()
        if not list(_left_over(world)):
            break
    check_end_state(world)
    repeat_requests(world)


def check_end_state(world: World) -> None:
    """Check the invariants of a finished history. Raises Violation."""
    database, record = world.database, world.record
    bookings = [booking for of_run in record.bookings.values() for booking in of_run.values()]
    payments = database["payments"].documents
    paid = [booking for booking in bookings if not invariants.is_never_paid(booking, payments)]
    accounts = {key: account for key, account in world.provider.accounts.items() if not _is_given_up(world, key)}
    require("at the end", _left_over(world))
    require("at the end", invariants.money_is_where_bookings_say(paid, accounts))
    require("at the end", invariants.sums_agree(paid, accounts))
    require("at the end", invariants.payments_agree(paid, payments))
    require("at the end", invariants.all_events_are_delivered(record.events, _stored_events(world), record.delivered))
    trains, layout_jobs, outcomes = (database[name].documents for name in ("trains", "layout_jobs", "layout_outcomes"))
    runs = database["train_runs"].documents
    require("at the end", layout_job_invariants.outcomes_are_true(runs, trains, layout_jobs, outcomes))
    for name, run in database["train_runs"].documents.items():
        require("at the end", invariants.nothing_is_lost(record.bookings[name], run, database["bookings"].documents))
        require("at the end", waitlist_invariants.no_open_waitlist_is_left(run, world.now()))
        require("at the end", waitlist_invariants.nobody_waits_for_free_seats(run, world.now(), is_disrupted=False))
        require("at the end", layout_invariants.no_reservation_is_expired(run, world.now()))
    payable = [purchase.reference for purchase in world.callers.purchases if purchase.token not in (DECLINES, CAPTURE_FAILS)]
    require("at the end", invariants.paid_bookings_are_kept(record.revisions.values(), payable))
    committed = {booking["_id"] for booking in bookings}
    for purchase in world.callers.purchases:
        if purchase.reference and purchase.reference not in committed:
            raise Violation(f"{purchase.reference} was sold, and is not there at the end")


def repeat_requests(world: World) -> None:
    """Send some requests again. Each returns the same booking and changes nothing. Raises Violation."""
    commits = world.record.commits
    bought = [purchase for purchase in world.callers.purchases if purchase.reference]
    for purchase in world.rng.sample(bought, min(len(bought), _REPEATED_REQUESTS_MAX)):
        world.scheduler.spawn(world.callers.send(purchase), "caller", "callers")
    world.finish_all()
    if world.record.commits != commits:
        raise Violation("requests that were sent again at the end have changed something")


def _left_over(world: World) -> Any:
    database = world.database
    yield from invariants.no_work_is_left(database["train_runs"].documents.values(), database["jobs"].documents.values())
    layout_jobs, outcomes = database["layout_jobs"].documents, database["layout_outcomes"].documents
    runs, trains = database["train_runs"].documents, database["trains"].documents
    yield from disruption_invariants.cancellations_have_ended(runs.values(), world.now())
    yield from layout_job_invariants.layout_jobs_have_ended(runs, trains, layout_jobs, outcomes, world.now())
    yield from (f"event {key} is not processed" for key, event in _stored_events(world).items() if "is_new" in event)
    yield from (
        f"payment {key} is still open" for key, payment in database["payments"].documents.items() if "open_since" in payment
    )


def _stored_events(world: World) -> dict[str, Any]:
    return {event["_id"]: event for event in events_of_batches(world.database["events"].documents.values())}


def _is_given_up(world: World, key: str) -> bool:
    """Whether the provider never confirmed the authorization while it may be asked. Such an authorization lapses by itself."""
    payment = world.database["payments"].documents.get(key.removesuffix(":authorize"))
    return payment is not None and any(attempt["detail"].startswith("given up") for attempt in payment["attempts"])
