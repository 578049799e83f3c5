"""How long before departure a train reminds its passengers, on every layer."""

from dataclasses import replace

import pytest

from app.cli.render.trains import train_text, updated_text
from app.cli.timetable_file import parse_train
from app.domain import limits
from app.domain.train import StoredTrain, check_train, updated_train
from app.pb.seatline.v1 import train_pb2
from app.rpc.trains import answers, requests
from app.store.train_documents import train_document, train_from
from tests.support.builders import NOW, a_train
from tests.support.run_snapshots import invalid


def read_again(minutes: int) -> int:
    document = train_document(StoredTrain(replace(a_train(), departure_reminder_minutes=minutes), "r1", NOW, 1))
    return train_from(document).train.departure_reminder_minutes


@pytest.mark.parametrize("minutes", [0, 1, limits.DEPARTURE_REMINDER_MINUTES_MAX])
def test_a_train_may_remind_never_or_up_to_a_day_before(minutes: int) -> None:
    check_train(replace(a_train(), departure_reminder_minutes=minutes))
    assert read_again(minutes) == minutes


@pytest.mark.parametrize("minutes", [-1, limits.DEPARTURE_REMINDER_MINUTES_MAX + 1])
def test_a_reminder_earlier_than_a_day_before_is_refused_under_its_path(minutes: int) -> None:
    with invalid("train.departure_reminder_minutes"):
        check_train(replace(a_train(), departure_reminder_minutes=minutes))


def test_a_train_that_does_not_say_reminds_three_hours_before() -> None:
    assert requests.train(train_pb2.Train()).departure_reminder_minutes == 180
    document = train_document(StoredTrain(a_train(), "r1", NOW, 1))
    del document["departure_reminder_minutes"]  # of an earlier version
    assert train_from(document).train == a_train()


def test_an_update_sets_it_and_leaves_the_rest_alone() -> None:
    changed = updated_train(a_train(), replace(a_train(), departure_reminder_minutes=0), ("departure_reminder_minutes",))
    assert changed == replace(a_train(), departure_reminder_minutes=0)


def test_never_is_told_apart_from_not_said_on_the_wire() -> None:
    message = train_pb2.Train(departure_reminder_minutes=0)
    assert requests.train(message).departure_reminder_minutes == 0
    stored = StoredTrain(replace(a_train(), departure_reminder_minutes=0), "r1", NOW, 1)
    assert answers.train(stored).HasField("departure_reminder_minutes")


@pytest.mark.parametrize(
    ("minutes", "text"), [("90", "Reminders: 1 h 30 min before departure."), ("0", "Reminders: none before departure.")]
)
def test_a_timetable_file_may_set_it_and_the_summary_shows_it(minutes: str, text: str) -> None:
    train = parse_train(f"train_id: es9014\ndeparture_reminder_minutes: {minutes}\n" + REST, source="f")
    assert text in train_text(train, is_dry_run=False).splitlines()
    train = parse_train(f"train_id: es9014\n{REST}", source="f")
    assert not train.HasField("departure_reminder_minutes")
    assert "Reminders" not in train_text(train, is_dry_run=False)


def test_an_update_of_it_alone_holds_for_runs_that_are_scheduled_already() -> None:
    train = train_pb2.Train(train_id="es9014")
    text = updated_text(train, ["departure_reminder_minutes"], is_dry_run=False)
    assert text == "Train es9014 has changed its departure reminder minutes."
    assert "keep theirs" in updated_text(train, ["departure_reminder_minutes", "stops"], is_dry_run=False)


REST = """\
number: ES 9014
stops:
  - {name: London, time_zone: Europe/London, depart: "10:24"}
  - {name: Paris, time_zone: Europe/Paris, arrive: "13:47"}
sections:
  - {name: A, fare: USD 20.00}
coaches:
  - {name: 1, section: A, seats: 56}
"""
