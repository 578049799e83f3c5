"""The end of a history: nobody asks any more, nothing goes wrong any more, and everything that is owed is done.

Belongs here: having workers do what is left, and what has to hold then. Does not: the rules themselves (`invariants.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulation import invariants
from tests.simulation.record import Violation, require

if TYPE_CHECKING:
    from tests.simulation.world import World

# Jobs that failed often wait for a quarter of an hour.
_ROUND_SECONDS = 1_000.0
_ROUNDS_MAX = 12


def come_to_rest(world: World) -> None:
    """Has everything done that is owed, and looks at what has come of it."""
    world.finish_all()
    world.is_fair, world.provider.faults, world.crowd.answers_lost = True, 0.0, 0.0
    if world.chance.random() < 0.5:  # what only memory knew is not known any more
        for process in (*world.servers, *world.workers):
            process.crash()
    for _ in range(_ROUNDS_MAX):
        world.pass_time(_ROUND_SECONDS)
        for name in ("copy what was left", "tidy", "follow up", "do jobs", "let go"):
            for worker in world.workers:
                worker.spawn(worker.take_turn(name), name)
                world.finish_all()
        if not list(_left_over(world)):
            break
    require_sound_end(world)
    ask_again(world)


def require_sound_end(world: World) -> None:
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
    require("at the end", invariants.everything_is_told(record.events, kept["events"].kept, record.told))
    for name, run in kept["train_runs"].kept.items():
        require("at the end", invariants.nothing_is_lost(record.bookings[name], run, kept["bookings"].kept))
    committed = {booking["_id"] for booking in bookings}
    for purchase in world.crowd.purchases:
        if purchase.reference and purchase.reference not in committed:
            raise Violation(f"{purchase.reference} was sold, and is not there at the end")


def ask_again(world: World) -> None:
    """Whoever bought something asks again: it is the same, and nothing changes."""
    commits = world.record.commits
    for purchase in world.crowd.purchases:
        if purchase.reference:
            world.turns.spawn(world.crowd.send(purchase), "passenger", "passengers")
    world.finish_all()
    if world.record.commits != commits:
        raise Violation("requests that were sent again at the end have changed something")


def _left_over(world: World) -> Any:
    kept = world.database
    yield from invariants.nothing_is_left_over(kept["train_runs"].kept.values(), kept["jobs"].kept.values())
    yield from (f"event {key} is still new" for key, one in kept["events"].kept.items() if "is_new" in one)
    yield from (f"payment {key} is still open" for key, one in kept["payments"].kept.items() if "open_since" in one)


def _is_given_up(world: World, key: str) -> bool:
    """Whether nobody ever said that the money was set aside, for so long that nobody may ask any more: it lapses by itself."""
    payment = world.database["payments"].kept.get(key.removesuffix(":authorize"))
    return payment is not None and any(one["detail"].startswith("given up") for one in payment["attempts"])
