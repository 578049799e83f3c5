"""Layout changes over random runs: what has to hold after each, by a plain second reading of the rules."""

import random
from datetime import datetime

import pytest

from app.domain.layout.commands import UpdateLayout
from app.domain.layout.plan import LayoutPlan
from app.domain.refusals import InvalidField
from app.domain.rules.decisions import decide
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.train_run import TrainRun
from app.store.run_documents import run_document
from app.store.run_updates import run_update
from tests.support.applied_updates import applied
from tests.support.builders import NOW, seeded_random, time_passes
from tests.support.layout_changes import asks_for_layout
from tests.support.layout_requirements import (
    live_seats,
    require_exact_money,
    require_nobody_without_a_seat_that_exists,
    require_numbers_never_return,
    require_others_unmoved,
    require_plan_of_what_happened,
    require_sound,
)
from tests.support.random_sold_runs import a_random_run, random_operations
from tests.support.run_snapshots import snapshot

SEEDS = 150


def a_random_change(run: TrainRun, chance: random.Random) -> UpdateLayout:
    return asks_for_layout(
        *random_operations(run, chance), allow_lower=chance.random() < 0.3, refund_displaced=chance.random() < 0.3
    )


# -- the tests


def planned_and_done(run: TrainRun, command: UpdateLayout, now: datetime) -> tuple[LayoutPlan, LayoutPlan] | None:
    """Plan a change, make it, and return both plans; None where it is refused. Neither a plan nor a refusal leaves a trace."""
    before = snapshot(run)
    planning = asks_for_layout(
        *command.operations,
        allow_lower=command.allow_lower,
        refund_displaced=command.refund_displaced,
        validate_only=True,
    )
    try:
        plan = decide(run, planning, now, {})
    except InvalidField:
        assert (snapshot(run), bool(run.change_set)) == (before, False)
        with pytest.raises(InvalidField):
            decide(run, command, now, {})
        assert (snapshot(run), bool(run.change_set)) == (before, False)
        return None
    assert (snapshot(run), bool(run.change_set)) == (before, False)
    return plan, decide(run, command, now, {})


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_layout_change_keeps_every_promise(seed: int) -> None:
    chance = seeded_random(seed)
    run, train = a_random_run(chance)
    now = NOW if chance.random() < 0.9 else waitlist_closing_time(run)
    time_passes(run, now)
    for _ in range(3):
        document, before, sections = run_document(run, NOW), dict(run.bookings), [section.copy() for section in run.sections]
        seats = live_seats(run.sections)
        unchanged = snapshot(run)
        both = planned_and_done(run, a_random_change(run, chance), now)
        if both is None:
            continue
        plan, done = both
        removed = seats - live_seats(run.sections)
        assert (plan.plan_hash, plan.sections, plan.moves, plan.waitlisted, plan.refunds, plan.promoted, plan.counts) == (
            done.plan_hash,
            done.sections,
            done.moves,
            done.waitlisted,
            done.refunds,
            done.promoted,
            done.counts,
        )
        if chance.random() < 0.2:
            run.undo()
            assert snapshot(run) == unchanged
            continue
        update = run_update(run, [], [])
        run.committed()
        stored = run_document(run, NOW)
        written = applied(document, update)
        assert {name: written[name] for name in stored if name != "version"} == {
            name: stored[name] for name in stored if name != "version"
        }
        require_plan_of_what_happened(run, before, done, removed)
        require_nobody_without_a_seat_that_exists(run, done, before)
        require_numbers_never_return(sections, run)
        require_others_unmoved(run, before, removed)
        require_exact_money(run, before, done)
        require_sound(run, train, now)
