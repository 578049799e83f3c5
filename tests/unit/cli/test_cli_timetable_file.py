"""Timetable files: parsing, problems with their paths, request ids."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli import timetable_file
from app.cli.failures import UsageError
from app.cli.timetable_file import file_path_of_field, parse_train, read_train_file, request_id_for

SAMPLE = Path(timetable_file.__file__).with_name("sample") / "es9014.yaml"

GOOD = """
train_id: es9014
number: ES 9014
stops:
  - {name: London St Pancras, code: STP, time_zone: Europe/London, depart: "23:24"}
  - {name: Oslo, code: NO, time_zone: Europe/Oslo, arrive: 9:05, arrive_day: 1, depart: ~}
sections:
  - {name: N, fare: USD 20.50}
coaches:
  - {name: 1, section: N, seats: 56}
"""


def problems_of(text: str) -> dict[str, str]:
    with pytest.raises(UsageError) as raised:
        parse_train(text, source="f")
    return {problem.path.removeprefix("f: "): problem.description for problem in raised.value.failure.fields}


def message_of(text: str) -> str:
    with pytest.raises(UsageError) as raised:
        parse_train(text, source="f")
    return raised.value.failure.line()


def test_the_sample_is_the_train_from_london_to_paris() -> None:
    train = read_train_file(SAMPLE)
    assert (train.train_id, train.number) == ("es9014", "ES 9014")
    assert [stop.name for stop in train.stops] == ["London St Pancras", "Ashford", "Lille", "Paris Gare du Nord"]
    assert [stop.time_zone for stop in train.stops] == ["Europe/London"] * 2 + ["Europe/Paris"] * 2
    assert (train.stops[0].arrive_time, train.stops[-1].depart_time) == ("", "")
    assert {(section.name, section.fare.currency_code, section.fare.units) for section in train.sections} == {
        ("A", "USD", 20),
        ("B", "USD", 20),
    }
    assert [coach.section for coach in train.coaches] == ["A"] * 4 + ["B"] * 4
    assert [(tier.hours_before, tier.percent) for tier in train.refund_tiers] == [(24, 100), (0, 50)]
    assert (train.waitlist_closes_before.seconds, train.waitlist_max) == (4 * 3600, 500)


def test_a_file_can_limit_the_passengers_per_booker() -> None:
    train = parse_train(GOOD + "passengers_per_booker_max: 40\n", source="f")
    assert train.passengers_per_booker_max == 40


def test_omitted_terms_are_left_to_the_service() -> None:
    for text in (GOOD, GOOD + "refund_tiers: ~\nwaitlist_closes_before:\nwaitlist_max: null\n"):
        train = parse_train(text, source="f")
        assert not train.refund_tiers
        assert not train.HasField("waitlist_closes_before")
        assert not train.HasField("waitlist_max")
        assert not train.HasField("hold_percent_max")
        assert not train.HasField("passengers_per_booker_max")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("4h", 14_400), ("90m", 5_400), ("1h 30m", 5_400), ("1h30m", 5_400), ("0m", 0), ('"720h"', 2_592_000)],
)
def test_a_duration_is_hours_or_minutes_or_both_and_may_be_zero(written: str, seconds: int) -> None:
    train = parse_train(GOOD + f"waitlist_closes_before: {written}\nwaitlist_max: 0\nhold_percent_max: 0\n", source="f")
    assert train.HasField("waitlist_closes_before")
    assert train.waitlist_closes_before.seconds == seconds
    assert (train.HasField("waitlist_max"), train.waitlist_max) == (True, 0)
    assert (train.HasField("hold_percent_max"), train.hold_percent_max) == (True, 0)


@pytest.mark.parametrize(
    ("line", "path", "described"),
    [
        ("waitlist_closes_before: 4", "waitlist_closes_before", '"4" is not a duration; write it like 4h, 90m or 1h 30m'),
        ("waitlist_closes_before: h", "waitlist_closes_before", '"h" is not a duration; write it like 4h, 90m or 1h 30m'),
        ("waitlist_closes_before: -4h", "waitlist_closes_before", '"-4h" is not a duration; write it like 4h, 90m or 1h 30m'),
        ("waitlist_closes_before: [4h]", "waitlist_closes_before", "must be a single value, not a list or a mapping"),
        ("waitlist_max: many", "waitlist_max", '"many" is not a whole number'),
        ("waitlist_max: {most: 5}", "waitlist_max", "must be a single value, not a list or a mapping"),
        ("waitlist_maximum: 5", "waitlist_maximum", "unknown key; did you mean waitlist_max?"),
        ("refund_tiers: []", "refund_tiers", "must be a list with at least one entry"),
        ("refund_tiers: all", "refund_tiers", "must be a list with at least one entry"),
        ("refund_tiers: [100]", "refund_tiers[0]", "must be a mapping with hours_before, percent"),
        ("refund_tiers: [{hours_before: 24}]", "refund_tiers[0].percent", "is missing"),
        (
            "refund_tiers: [{hours_before: 24, percent: 100}, {hours_before: 0, percent: half}]",
            "refund_tiers[1].percent",
            '"half" is not a whole number',
        ),
        (
            "refund_tiers: [{hour_before: 24, percent: 5}]",
            "refund_tiers[0].hour_before",
            "unknown key; did you mean hours_before?",
        ),
    ],
)
def test_invalid_terms_are_named_by_their_path(line: str, path: str, described: str) -> None:
    assert problems_of(f"{GOOD}{line}\n")[path] == described


def test_times_names_and_codes_are_text_quoted_or_not() -> None:
    train = parse_train(GOOD, source="f")
    assert train.stops[0].depart_time == "23:24"
    assert (train.stops[1].arrive_time, train.stops[1].arrive_day_offset, train.stops[1].depart_time) == ("09:05", 1, "")
    assert train.stops[1].code == "NO"
    assert (train.sections[0].name, train.coaches[0].name, train.coaches[0].seat_count) == ("N", "1", 56)
    assert (train.sections[0].fare.units, train.sections[0].fare.nanos) == (20, 500_000_000)
    quoted = GOOD.replace("9:05", '"09:05"').replace("name: 1", 'name: "1"')
    assert parse_train(quoted, source="f") == train


def test_the_request_id_depends_on_the_content_and_not_on_the_formatting() -> None:
    train = parse_train(GOOD, source="f")
    assert request_id_for(train) == request_id_for(parse_train(GOOD.replace("9:05", "09:05") + "\n# a remark", source="f"))
    assert request_id_for(train) != request_id_for(parse_train(GOOD.replace("56", "57"), source="f"))
    assert len(request_id_for(train)) <= 64


@pytest.mark.parametrize(
    ("right", "wrong", "path", "described"),
    [
        ("9:05", "25:00", "stops[1].arrive", '"25:00" is not a time of day; write it like 10:45'),
        ("9:05", "645", "stops[1].arrive", '"645" is not a time of day; write it like 10:45'),
        ("arrive_day: 1", "arrive_day: one", "stops[1].arrive_day", '"one" is not a whole number'),
        ("USD 20.50", "20.50", "sections[0].fare", '"20.50" is not a fare; write it like USD 20.00'),
        ("USD 20.50", "[1, 2]", "sections[0].fare", "must be a single value, not a list or a mapping"),
        ("seats: 56", "seats: -1", "coaches[0].seats", '"-1" is not a whole number'),
        ("seats: 56", "seat: 56", "coaches[0].seat", "unknown key; did you mean seats?"),
        ("number: ES 9014", "nothing: x", "number", "is missing"),
        ("number: ES 9014", 'number: "\\ud800"', "number", "contains half of a surrogate pair (\\ud800 to \\udfff)"),
        ("name: Oslo, ", "", "stops[1].name", "is missing"),
        ("{name: 1, section: N, seats: 56}", "1", "coaches[0]", "must be a mapping with name, section, seats"),
    ],
)
def test_an_invalid_field_is_named_by_its_path(right: str, wrong: str, path: str, described: str) -> None:
    assert problems_of(GOOD.replace(right, wrong))[path] == described


def test_all_problems_are_reported_one_per_line() -> None:
    wrong = GOOD.replace("9:05", "noon").replace("USD 20.50", "twenty")
    assert message_of(wrong).splitlines() == [
        'f: stops[1].arrive: "noon" is not a time of day; write it like 10:45',
        'f: sections[0].fare: "twenty" is not a fare; write it like USD 20.00',
    ]


@pytest.mark.parametrize("text", ["", "just words", "- a list", "12"])
def test_a_file_that_is_not_a_mapping_is_refused(text: str) -> None:
    assert "must be a mapping with train_id, number, stops, sections, coaches" in message_of(text)


def test_missing_and_empty_lists_are_refused() -> None:
    told = problems_of("train_id: a\nnumber: b\nstops: []\nsections: x\n")
    assert told["stops"] == told["sections"] == "must be a list with at least one entry"
    assert told["coaches"] == "is missing"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [1", "f: line 1, column 6: "),
        ("train_id: a\ntrain_id: b", "f: line 2, column 1: train_id is a duplicate key"),
        ("a: \x07", "f: not YAML: "),
        ("[" * 600, "f: nested too deeply"),
        ("a: !!python/object/apply:os.system [ls]", "f: a: unknown key"),
    ],
)
def test_invalid_yaml_is_refused_with_its_position(text: str, told: str) -> None:
    assert told in message_of(text)


def test_an_unreadable_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"train_id: \xff")
    (tmp_path / "large").write_bytes(b"#" * (timetable_file.FILE_BYTES_MAX + 1))
    for name, told in (("none", "No such file"), ("latin", "not UTF-8"), ("large", "not a timetable file"), (".", "directory")):
        with pytest.raises(UsageError, match=told):
            read_train_file(tmp_path / name)


def test_a_contract_path_is_converted_to_a_path_in_the_file() -> None:
    assert file_path_of_field("train.stops[2].arrive_time") == "stops[2].arrive"
    assert file_path_of_field("train.refund_tiers[1].hours_before") == "refund_tiers[1].hours_before"
    assert file_path_of_field("train.coaches[0].seat_count") == "coaches[0].seats"
    assert file_path_of_field("train.sections[1].fare.units") == "sections[1].fare.units"
