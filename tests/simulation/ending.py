"""The end of a history: nobody asks any more, nothing goes wrong any more, and everything that is owed is done.

Belongs here: having workers do what is left, and what has to hold then. Does not: the rules themselves (`invariants.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulation import invariants
from tests.simulation.provider import CAPTURE_FAILS, DECLINES
from tests.simulation.record import Violation, require
from tests.support.event_batches import events_of_batches

if TYPE_CHECKING:
    from tests.simulation.world import World

# Jobs that failed often wait for a quarter of an hour.
_ROUND_SECONDS = 1_000.0
_ROUNDS_MAX = 12
_UNTIL_IT_HAS_LEFT_SECONDS = 4 * 24 * 3_600.0
_ASK_AGAIN_MAX = 3


def finish_history(world: World) -> None:
    """Has everything done that is owed, and looks at what has come of it."""
    world.finish_all()
    world.is_fair, world.provider.faults, world.callers.answers_lost = True, 0.0, 0.0
    if world.rng.random() < 0.5:  # what only memory knew is not known any more
        for process in (*world.servers, *world.workers):
            process.crash()
    if world.rng.random() < 0.25:
        world.pass_time(_UNTIL_IT_HAS_LEFT_SECONDS)
    for _ in range(_ROUNDS_MAX):
        world.pass_time(_ROUND_SECONDS)
        for name in ("copy what was left", "tidy", "follow up", "do jobs", "let go"):
            worker = world.rng.choice(world.workers)
            worker.spawn(worker.take_turn(name), name)
            world.finish_all()
        if not list(_left_over(world)):
            break
    check_end_state(world)
    repeat_requests(world)


def check_end_state(world: World) -> None:
    """Raises Violation for whatever should not be so at the end."""
    kept, record = world.database, world.record
    bookings = [booking for of_run in record.bookings.values() for booking in of_run.values()]
    payments = kept["payments"].kept
    paid = [booking for booking in bookings if not invariants.is_never_paid(booking, payments)]
    accounts = {key: one for key, one in world.provider.accounts.items() if not _is_given_up(world, key)}
    require("at the end", _left_over(world))
    require("at the end", invariants.money_is_where_bookings_say(paid, accounts))
    require("at the end", invariants.sums_agree(paid, accounts))
    require("at the end", invariants.payments_agree(paid, payments))
    require("at the end", invariants.all_events_are_delivered(record.events, _events_kept(world), record.told))
    for name, run in kept["train_runs"].kept.items():
        require("at the end", invariants.nothing_is_lost(record.bookings[name], run, kept["bookings"].kept))
        require("at the end", invariants.no_open_waitlist_is_left(run, world.now()))
    able = [purchase.reference for purchase in world.callers.purchases if purchase.token not in (DECLINES, CAPTURE_FAILS)]
    require("at the end", invariants.paid_bookings_are_kept(record.revisions.values(), able))
    committed = {booking["_id"] for booking in bookings}
    for purchase in world.callers.purchases:
        if purchase.reference and purchase.reference not in committed:
            raise Violation(f"{purchase.reference} was sold, and is not there at the end")


def repeat_requests(world: World) -> None:
    """Some who bought something ask again: it is the same, and nothing changes."""
    commits = world.record.commits
    bought = [purchase for purchase in world.callers.purchases if purchase.reference]
    for purchase in world.rng.sample(bought, min(len(bought), _ASK_AGAIN_MAX)):
        world.turns.spawn(world.callers.send(purchase), "passenger", "passengers")
    world.finish_all()
    if world.record.commits != commits:
        raise Violation("requests that were sent again at the end have changed something")


def _left_over(world: World) -> Any:
    kept = world.database
    yield from invariants.no_work_is_left(kept["train_runs"].kept.values(), kept["jobs"].kept.values())
    yield from (f"event {key} is still new" for key, one in _events_kept(world).items() if "is_new" in one)
    yield from (f"payment {key} is still open" for key, one in kept["payments"].kept.items() if "open_since" in one)


def _events_kept(world: World) -> dict[str, Any]:
    return {event["_id"]: event for event in events_of_batches(world.database["events"].kept.values())}


def _is_given_up(world: World, key: str) -> bool:
    """Whether nobody ever said that the money was set aside, for so long that nobody may ask any more: it lapses by itself."""
    payment = world.database["payments"].kept.get(key.removesuffix(":authorize"))
    return payment is not None and any(one["detail"].startswith("given up") for one in payment["attempts"])
