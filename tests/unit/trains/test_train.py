"""What makes a train valid: each rule, under the path of the field that breaks it."""

from dataclasses import replace
from datetime import date, time

import pytest

from app.domain import limits
from app.domain.money import Money
from app.domain.timetable import Call, TimetableStop
from app.domain.train import Coach, Section, Train, check_train, check_travel_date, travel_dates, with_trimmed_texts
from tests.support.builders import a_stop, a_train, london_to_paris
from tests.support.run_snapshots import invalid

ONE_HOUR_TRIP = (a_stop("Here", depart="10:00"), a_stop("There", arrive="11:00"))


def with_stop(index: int, **changes: object) -> Train:
    stops = list(london_to_paris())
    stops[index] = replace(stops[index], **changes)  # type: ignore[arg-type]
    return a_train(stops=stops)


def with_sections(*sections: Section) -> Train:
    return replace(a_train(), sections=sections)


def with_coaches(*coaches: Coach) -> Train:
    return replace(a_train(), coaches=coaches)


def a_line_of_stops(count: int) -> list[TimetableStop]:
    calls = [Call(time(index // 4, index % 4 * 15)) for index in range(count)]
    return [
        TimetableStop(
            name=f"Stop {index}",
            code="",
            time_zone="UTC",
            arrive=calls[index] if index else None,
            depart=calls[index] if index < count - 1 else None,
        )
        for index in range(count)
    ]


# -- what is fine


@pytest.mark.parametrize(
    "train",
    [
        a_train(),
        a_train(train_id="9"),
        a_train(train_id="a" * limits.TRAIN_ID_LENGTH_MAX),
        a_train(number="東海道 700"),
        a_train(stops=ONE_HOUR_TRIP),
        a_train(stops=a_line_of_stops(limits.STOPS_PER_TRAIN_MAX)),
        a_train(" ".join(["A83"] * limits.COACHES_PER_TRAIN_MAX)),
        a_train(f"A{limits.SEATS_PER_COACH_MAX}"),
        a_train(" ".join(f"{letter}1" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ")),
        a_train(fares={"A": 0, "B": limits.FARE_MINOR_MAX}),
        a_train(currency="JPY"),
    ],
    ids=lambda train: f"{train.train_id[:9]}-{len(train.stops)}-stops-{len(train.coaches)}-coaches",
)
def test_a_valid_train_is_accepted(train: Train) -> None:
    check_train(train)


def test_a_stop_may_have_its_own_name_for_a_code() -> None:
    check_train(with_stop(2, code="LILLE"))


def test_a_section_without_a_coach_may_stand_in_a_train() -> None:
    check_train(with_sections(*a_train().sections, Section("C", Money(1, "USD"))))


# -- the train's own fields


@pytest.mark.parametrize("train_id", ["", "-a", "ES9014", "es 9014", "es:9014", "és", "es9014\n", "a" * 33])
def test_a_train_id_needs_small_letters_digits_and_dashes(train_id: str) -> None:
    with invalid("train.train_id"):
        check_train(a_train(train_id=train_id))


@pytest.mark.parametrize("number", ["", "  ", "9" * 33])
def test_a_train_needs_a_number_of_bounded_length(number: str) -> None:
    with invalid("train.number"):
        check_train(a_train(number=number))


# -- stops


@pytest.mark.parametrize("count", [0, 1, limits.STOPS_PER_TRAIN_MAX + 1])
def test_a_train_needs_two_to_sixty_stops(count: int) -> None:
    with invalid("train.stops"):
        check_train(a_train(stops=a_line_of_stops(count)))


@pytest.mark.parametrize(
    ("index", "changes", "field"),
    [
        (1, {"name": ""}, "train.stops[1].name"),
        (1, {"name": " "}, "train.stops[1].name"),
        (3, {"name": "x" * 101}, "train.stops[3].name"),
        (2, {"code": "x" * 17}, "train.stops[2].code"),
        (0, {"time_zone": ""}, "train.stops[0].time_zone"),
        (0, {"time_zone": "Europe/Atlantis"}, "train.stops[0].time_zone"),
        (0, {"time_zone": "../../etc/passwd"}, "train.stops[0].time_zone"),
        (0, {"time_zone": "/etc/localtime"}, "train.stops[0].time_zone"),
        (0, {"time_zone": "Europe"}, "train.stops[0].time_zone"),
        (0, {"time_zone": "x" * 5_000}, "train.stops[0].time_zone"),
        (0, {"time_zone": "Europe/\0London"}, "train.stops[0].time_zone"),
        (0, {"time_zone": "Europe/Zür\ud800ich"}, "train.stops[0].time_zone"),
        (1, {"arrive": None}, "train.stops[1].arrive_time"),
        (1, {"depart": None}, "train.stops[1].depart_time"),
        (0, {"depart": None}, "train.stops[0].depart_time"),
        (3, {"arrive": None}, "train.stops[3].arrive_time"),
        (0, {"arrive": Call(time(10))}, "train.stops[0].arrive_time"),
        (3, {"depart": Call(time(15))}, "train.stops[3].depart_time"),
        (1, {"arrive": Call(time(11), -1)}, "train.stops[1].arrive_day_offset"),
        (3, {"arrive": Call(time(11), 8)}, "train.stops[3].arrive_day_offset"),
        (1, {"depart": Call(time(11), 8)}, "train.stops[1].depart_day_offset"),
    ],
)
def test_a_stop_that_breaks_a_rule_is_refused_under_its_path(index: int, changes: dict[str, object], field: str) -> None:
    with invalid(field):
        check_train(with_stop(index, **changes))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "Lille"}, "train.stops[3].name"),
        ({"name": "LILLE"}, "train.stops[3].name"),
        ({"code": "lil"}, "train.stops[3].code"),
        ({"code": "Lille"}, "train.stops[3].code"),
        ({"name": "Afk"}, "train.stops[3].name"),
        ({"name": " Lille  "}, "train.stops[3].name"),
        ({"name": "Lille\ufe0f"}, "train.stops[3].name"),
    ],
)
def test_a_name_or_code_that_means_two_stops_is_refused(changes: dict[str, object], field: str) -> None:
    with invalid(field):
        check_train(with_stop(3, **changes))


def test_a_station_is_the_same_however_its_letters_are_encoded() -> None:
    stops = (a_stop("Zürich", depart="10:00"), a_stop("ZU\u0308RICH", arrive="11:00"))
    with invalid("train.stops[1].name"):
        check_train(a_train(stops=stops))


UNFIT = ["\u3164", "\u200b", "Li\u200blle", "Li\u202elle", "Li\x00lle", "Li\nlle", "\ue000", "\u0301"]


@pytest.mark.parametrize("text", UNFIT)
def test_a_text_that_nobody_can_read_is_refused(text: str) -> None:
    for train, field in (
        (with_stop(2, name=text), "train.stops[2].name"),
        (with_stop(2, code=text), "train.stops[2].code"),
        (a_train(number=text), "train.number"),
        (a_train(train_id=text), "train.train_id"),
        (with_sections(Section(text, Money(1, "USD"))), "train.sections[0].name"),
        (with_coaches(Coach(text, "A", 1)), "train.coaches[0].name"),
    ):
        with invalid(field):
            check_train(with_trimmed_texts(train))


def test_texts_are_stored_composed_and_without_blanks_around() -> None:
    stops = (a_stop(" Zu\u0308rich\u00a0", depart="10:00"), a_stop("Aurora ", arrive="11:00"))
    sent = replace(a_train(stops=stops), train_id=" n1 ", number="\tN 1\n", coaches=(Coach(" 1", "A ", 4), Coach("2", "B", 4)))
    train = with_trimmed_texts(replace(sent, stops=(stops[0], replace(stops[1], code=" AUR"))))
    check_train(train)
    assert [(stop.name, stop.code) for stop in train.stops] == [("Zürich", stops[0].code), ("Aurora", "AUR")]
    assert (train.train_id, train.number, train.coaches[0]) == ("n1", "N 1", Coach("1", "A", 4))


def test_a_text_is_counted_as_it_is_stored() -> None:
    check_train(with_trimmed_texts(with_stop(0, name="u\u0308" * limits.NAME_LENGTH_MAX + "  ")))
    with invalid("train.stops[0].name"):
        check_train(with_trimmed_texts(with_stop(0, name="u\u0308" * (limits.NAME_LENGTH_MAX + 1))))
    with invalid("train.number"):
        check_train(with_trimmed_texts(a_train(number="長" * 1_000_000)))


def test_a_forgotten_day_offset_is_refused_with_a_hint() -> None:
    stops = (a_stop("Here", depart="23:00"), a_stop("There", arrive="00:30"))
    with invalid("train.stops") as caught:
        check_train(a_train(stops=stops))
    assert "day offset" in caught[0].message
    assert "There" in caught[0].message


@pytest.mark.parametrize(
    "stops",
    [
        # Arizona keeps no summer time: in summer its clocks show what Los Angeles shows, in winter what Denver shows.
        (
            a_stop("Kingman", "America/Phoenix", depart="00:28"),
            a_stop("Needles", "America/Los_Angeles", arrive="00:26"),
        ),
        (a_stop("Denver", "America/Denver", depart="10:30"), a_stop("Phoenix", "America/Phoenix", arrive="10:00")),
        # Only on the night in October on which 02:30 comes twice.
        (a_stop("Lyon", "Europe/Paris", depart="02:45"), a_stop("Dijon", "Europe/Paris", arrive="02:30")),
        (a_stop("Lyon", "Europe/Paris", depart="23:00"), a_stop("Dijon", "Europe/Paris", arrive="02:30+1")),
        # Across the date line: it arrives on the day before it left.
        (a_stop("Apia", "Pacific/Apia", depart="10:00"), a_stop("Pago Pago", "Pacific/Pago_Pago", arrive="10:30")),
    ],
)
def test_a_train_that_works_on_some_dates_is_accepted(stops: tuple[TimetableStop, ...]) -> None:
    check_train(a_train(stops=stops))


@pytest.mark.parametrize(
    "stops",
    [
        (a_stop("Here", depart="10:00"), a_stop("There", arrive="09:59")),
        (a_stop("Here", "Europe/Paris", depart="10:00"), a_stop("There", "Europe/London", arrive="08:59")),
        (a_stop("Here", "America/Los_Angeles", depart="10:00"), a_stop("There", "America/Phoenix", arrive="09:59")),
        # Its first leg works in winter alone, its second in summer alone.
        (
            a_stop("Kingman", "America/Phoenix", depart="10:28"),
            a_stop("Needles", "America/Los_Angeles", arrive="10:26", depart="10:26"),
            a_stop("There", "America/Phoenix", arrive="11:00"),
        ),
    ],
)
def test_a_train_that_works_on_no_date_is_refused(stops: tuple[TimetableStop, ...]) -> None:
    with invalid("train.stops"):
        check_train(a_train(stops=stops))


def test_a_train_leaves_its_first_stop_on_the_travel_date() -> None:
    stops = (a_stop("Here", depart="10:00+1"), a_stop("There", arrive="11:00+1"))
    with invalid("train.stops[0].depart_day_offset"):
        check_train(a_train(stops=stops))


@pytest.mark.parametrize(
    "name",
    [
        *("localtime", "posixrules", "Factory", "posix/Europe/London", "right/Europe/London", "tzdata.zi", "zone.tab"),
        *("europe/london", "EUROPE/LONDON", "Europe/london", "utc", " Europe/London", "Europe/London ", "Europe/London\n"),
        *("/usr/share/zoneinfo/Europe/London", "./Europe/London", "Europe/../Europe/Paris", "Europe//London", "Europe\\London"),
        *("UTC+1", "GMT+1", "BST", "<+03>-3", "EST5EDT,M3.2.0,M11.1.0", "+01:00"),
    ],
)
def test_a_zone_that_depends_on_the_host_is_refused(name: str) -> None:
    with invalid("train.stops[1].time_zone"):
        check_train(with_stop(1, time_zone=name))


@pytest.mark.parametrize("name", ["UTC", "Etc/UTC", "Asia/Kathmandu", "Australia/Lord_Howe", "EST5EDT", "Europe/Kiev"])
def test_every_name_of_the_zone_database_is_accepted(name: str) -> None:
    stops = (a_stop("Here", name, depart="10:00"), a_stop("There", name, arrive="11:00"))
    check_train(a_train(stops=stops))


# -- sections


def test_a_train_needs_one_to_twenty_six_sections() -> None:
    with invalid("train.sections"):
        check_train(with_sections())
    with invalid("train.sections"):
        check_train(with_sections(*(Section(f"S{index}", Money(1, "USD")) for index in range(27))))


@pytest.mark.parametrize(
    ("second", "field"),
    [
        (Section("", Money(1, "USD")), "train.sections[1].name"),
        (Section("b", Money(1, "USD")), "train.sections[1].name"),
        (Section("B-1", Money(1, "USD")), "train.sections[1].name"),
        (Section("BBBBBBBBB", Money(1, "USD")), "train.sections[1].name"),
        (Section("A", Money(1, "USD")), "train.sections[1].name"),
        (Section("B", Money(1, "")), "train.sections[1].fare.currency_code"),
        (Section("B", Money(1, "usd")), "train.sections[1].fare.currency_code"),
        (Section("B", Money(1, "USDT")), "train.sections[1].fare.currency_code"),
        (Section("B", Money(1, "EUR")), "train.sections[1].fare.currency_code"),
        (Section("B", Money(-1, "USD")), "train.sections[1].fare"),
        (Section("B", Money(limits.FARE_MINOR_MAX + 1, "USD")), "train.sections[1].fare"),
    ],
)
def test_a_section_that_breaks_a_rule_is_refused_under_its_path(second: Section, field: str) -> None:
    with invalid(field):
        check_train(with_sections(Section("A", Money(2_000, "USD")), second))


# -- coaches


def test_a_train_needs_one_to_sixty_coaches() -> None:
    with invalid("train.coaches"):
        check_train(with_coaches())
    with invalid("train.coaches"):
        check_train(with_coaches(*(Coach(str(index), "A", 1) for index in range(61))))


@pytest.mark.parametrize(
    ("second", "field"),
    [
        (Coach("", "A", 4), "train.coaches[1].name"),
        (Coach("c2", "A", 4), "train.coaches[1].name"),
        (Coach("123456789", "A", 4), "train.coaches[1].name"),
        (Coach("1", "B", 4), "train.coaches[1].name"),
        (Coach("2", "", 4), "train.coaches[1].section"),
        (Coach("2", "C", 4), "train.coaches[1].section"),
        (Coach("2", "A", 0), "train.coaches[1].seat_count"),
        (Coach("2", "A", -4), "train.coaches[1].seat_count"),
        (Coach("2", "A", 401), "train.coaches[1].seat_count"),
    ],
)
def test_a_coach_that_breaks_a_rule_is_refused_under_its_path(second: Coach, field: str) -> None:
    with invalid(field):
        check_train(with_coaches(Coach("1", "A", 4), second))


def test_the_seats_of_all_coaches_together_are_bounded() -> None:
    coaches = [Coach(str(index), "A", 400) for index in range(12)]
    check_train(with_coaches(*coaches, Coach("12", "A", 200)))
    with invalid("train.coaches"):
        check_train(with_coaches(*coaches, Coach("12", "A", 201)))


# -- dates


@pytest.mark.parametrize("text", ["0001-01-01", "1969-12-31", "2200-01-01", "9999-12-24", "9999-12-31"])
def test_a_date_near_either_end_of_the_calendar_is_no_travel_date(text: str) -> None:
    with invalid("travel_date"):
        check_travel_date(date.fromisoformat(text), "travel_date")


def test_the_first_and_the_last_travel_date_are_sold() -> None:
    for travel_date in (limits.TRAVEL_DATE_MIN, limits.TRAVEL_DATE_MAX):
        check_travel_date(travel_date, "travel_date")


def test_a_range_of_dates_includes_both_ends() -> None:
    assert travel_dates(date(2028, 2, 28), date(2028, 3, 1)) == [date(2028, 2, 28), date(2028, 2, 29), date(2028, 3, 1)]
    assert travel_dates(date(2026, 9, 1), date(2026, 9, 1)) == [date(2026, 9, 1)]


def test_a_range_that_is_empty_or_longer_than_a_year_is_refused() -> None:
    assert len(travel_dates(date(2027, 9, 1), date(2028, 8, 31))) == 366
    with invalid("last_date"):
        travel_dates(date(2026, 9, 2), date(2026, 9, 1))
    with invalid("last_date"):
        travel_dates(date(2027, 9, 1), date(2028, 9, 1))
