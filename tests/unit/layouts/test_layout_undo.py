"""Layout changes among sales: undo takes all of it back, and a commit writes all of it, whatever comes before and after."""

from collections import Counter
from datetime import timedelta
from typing import Any

import bson
import pytest

from app.domain.run.train_run import TrainRun
from app.store.booking_documents import booking_document
from app.store.event_documents import event_batch_document
from app.store.run_documents import run_document, run_from
from app.store.run_fields import DERIVED_FIELDS
from app.store.run_updates import run_update
from tests.support.applied_updates import applied
from tests.support.builders import NOW, a_run, seeded_random
from tests.support.random_commands import decide_some
from tests.support.random_layouts import change_layout
from tests.support.run_snapshots import snapshot

A_WHILE = 60 * 8  # seconds; holds of the random commands last up to fifteen minutes
DECODING: bson.CodecOptions[dict[str, Any]] = bson.CodecOptions(tz_aware=True)


@pytest.mark.parametrize("seed", range(30))
def test_undo_restores_the_run_after_layout_changes_among_decisions(seed: int) -> None:
    chance, run, now = seeded_random(seed), a_run("A9 A4 B12 C2"), NOW
    kinds: Counter[str] = Counter()
    for _ in range(40):
        now += timedelta(seconds=chance.choice((0, 0, 1, A_WHILE)))
        before = snapshot(run)
        decide_some(run, chance, chance.randint(0, 6), now)
        for _ in range(chance.randint(1, 3)):
            kinds[change_layout(run, chance)] += 1
            decide_some(run, chance, chance.randint(0, 3), now)
        run.undo()
        assert snapshot(run) == before
        assert not run.change_set
        decide_some(run, chance, chance.randint(0, 6), now)
        change_layout(run, chance)
        decide_some(run, chance, chance.randint(0, 3), now)
        run.committed()
    assert all(kinds[name] for name in ("longer", "shorter", "record", "reservation")), kinds


@pytest.mark.parametrize("seed", range(100, 130))
def test_a_commit_writes_layout_changes_among_decisions(seed: int) -> None:
    chance, run, now = seeded_random(seed), a_run("A9 A4 B12 C2"), NOW
    document = run_document(run, NOW)
    kinds: Counter[str] = Counter()
    for _ in range(25):
        now += timedelta(seconds=chance.choice((0, 0, 1, A_WHILE)))
        decide_some(run, chance, chance.randint(0, 6), now)
        if chance.random() < 0.6:
            kinds[change_layout(run, chance)] += 1
        decide_some(run, chance, chance.randint(0, 3), now)
        document = applied(document, update_of(run))
        run.committed()
        assert snapshot(read_again(run, document)) == snapshot(run)
        derived = {field.path: field.value(run) for field in DERIVED_FIELDS}
        assert {path: document.get(path) for path in derived} == derived
    assert len(kinds) > 2, kinds


def test_random_layouts_remove_sections_and_bring_them_back() -> None:
    kinds: Counter[str] = Counter()
    for seed in range(60):
        chance, run = seeded_random(seed), a_run("A9 A4 B12 C2")
        kinds.update(change_layout(run, chance) for _ in range(10))
    assert min(kinds["remove section"], kinds["bring back"]) > 10, kinds


def update_of(run: TrainRun) -> dict[str, Any]:
    """Return the update of the next commit."""
    events = run.change_set.events
    recent = [booking_document(run.bookings[reference]) for reference in run.change_set.bookings]
    return run_update(run, recent, [event_batch_document(events)] if events else [])


def read_again(run: TrainRun, document: dict[str, Any]) -> TrainRun:
    """Return the run as another server reads it, with the same bookings."""
    again = run_from(bson.decode(bson.encode(document), DECODING))
    again.apply_newer(run.bookings.values())
    return again
