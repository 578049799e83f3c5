"""Sales windows of trains: what a train takes, what UpdateTrain and changes of the layout do to them, and their documents."""

from dataclasses import replace
from datetime import UTC, datetime, time

import bson
import pytest

from app.domain import limits
from app.domain.layout.operations import AddSection, RemoveSection, SetFare
from app.domain.layout.train_layout import change_train_layout
from app.domain.money import Money
from app.domain.run.new_run import make_run
from app.domain.sales_window import ALWAYS_OPEN, SalesWindow
from app.domain.terms import DEFAULT_TERMS, SalesTerms
from app.domain.train import SECTION_WINDOWS_FIELD, UPDATED_FIELDS, Section, StoredTrain, Train, check_train, updated_train
from app.store.run_documents import run_document, run_from
from app.store.shapes import UnreadableError
from app.store.train_documents import train_document, train_from
from tests.support.builders import NOW, TRAVEL_DATE, a_train
from tests.support.run_snapshots import invalid

A_MONTH_BEFORE = SalesWindow(open_days_before=30, open_at=time(9, 30), closes_minutes_before=15)
AT_AN_INSTANT = SalesWindow(open_time=datetime(2026, 8, 1, 12, 0, 0, 250_000, tzinfo=UTC))
CLOSES_EARLY = SalesWindow(closes_minutes_before=60)
FREE = Money(0, "")  # a section that a request only names has no fare


def with_windows(*windows: tuple[str, SalesWindow], of_train: SalesWindow = ALWAYS_OPEN, layout: str = "A4 B4") -> Train:
    return a_train(layout, terms=SalesTerms(sales_window=of_train, section_windows=windows))


# -- what a train takes


@pytest.mark.parametrize(
    "train",
    [
        with_windows(("A", CLOSES_EARLY), ("B", ALWAYS_OPEN), of_train=A_MONTH_BEFORE),
        with_windows(of_train=AT_AN_INSTANT),
        with_windows(of_train=SalesWindow(open_days_before=0, open_at=time(11, 51))),  # Lille: 11:52 in London
        replace(a_train(), schedule_horizon_days=limits.SCHEDULE_HORIZON_DAYS_MAX),
    ],
)
def test_a_train_may_have_windows_and_a_horizon(train: Train) -> None:
    check_train(train)


@pytest.mark.parametrize(
    ("train", "field"),
    [
        (with_windows(of_train=SalesWindow(open_days_before=367)), "train.sales_window.opens_before.days_before"),
        (with_windows(of_train=SalesWindow(closes_minutes_before=-1)), "train.sales_window.closes_before"),
        (
            with_windows(("B", SalesWindow(closes_minutes_before=30 * 24 * 60 + 1))),
            "train.sections[1].sales_window.closes_before",
        ),
        # It would open after it has closed for the journey from Lille, the last stop at which anybody boards.
        (with_windows(of_train=SalesWindow(open_days_before=0, open_at=time(11, 52))), "train.sales_window.opens_before"),
        (
            with_windows(("A", SalesWindow(open_days_before=7, closes_minutes_before=8 * 24 * 60))),
            "train.sections[0].sales_window.opens_before",
        ),
        (replace(a_train(), schedule_horizon_days=-1), "train.schedule_horizon_days"),
        (replace(a_train(), schedule_horizon_days=367), "train.schedule_horizon_days"),
    ],
)
def test_a_train_with_an_impossible_window_or_horizon_is_refused(train: Train, field: str) -> None:
    with invalid(field):
        check_train(train)


# -- UpdateTrain


def test_an_update_sets_the_window_of_the_train_and_its_horizon() -> None:
    train = with_windows(("B", CLOSES_EARLY))
    wanted = replace(with_windows(of_train=A_MONTH_BEFORE), schedule_horizon_days=60, sections=())
    changed = updated_train(train, wanted, ("sales_window", "schedule_horizon_days"))
    terms = replace(train.terms, sales_window=A_MONTH_BEFORE)
    assert changed == replace(train, terms=terms, schedule_horizon_days=60)


def test_an_empty_mask_leaves_the_windows_of_sections_alone() -> None:
    assert SECTION_WINDOWS_FIELD not in UPDATED_FIELDS
    train = with_windows(("B", CLOSES_EARLY), of_train=A_MONTH_BEFORE)
    changed = updated_train(train, a_train(), UPDATED_FIELDS)
    assert changed.terms == replace(DEFAULT_TERMS, section_windows=(("B", CLOSES_EARLY),))


def test_an_update_sets_and_removes_the_windows_of_the_sections_that_it_names() -> None:
    train = with_windows(("A", CLOSES_EARLY), ("B", CLOSES_EARLY), layout="A1 B1 C1")
    terms = SalesTerms(section_windows=((" C ", A_MONTH_BEFORE), ("A", AT_AN_INSTANT)))
    wanted = replace(train, number="", sections=(Section(" C ", FREE), Section("A", FREE)), terms=terms)
    changed = updated_train(train, wanted, [SECTION_WINDOWS_FIELD])
    windows = (("A", AT_AN_INSTANT), ("B", CLOSES_EARLY), ("C", A_MONTH_BEFORE))
    assert changed == replace(train, terms=replace(train.terms, section_windows=windows))
    removed = updated_train(changed, replace(wanted, terms=DEFAULT_TERMS), [SECTION_WINDOWS_FIELD])
    assert removed.terms.section_windows == (("B", CLOSES_EARLY),)


@pytest.mark.parametrize(
    ("sections", "windows", "field"),
    [
        ([], (), "train.sections"),
        (["A", "X"], (), "train.sections[1].name"),
        (["B", "A", "B"], (), "train.sections[2].name"),
        # Paths are those of the request.
        (["B"], (("B", SalesWindow(open_days_before=400)),), "train.sections[0].sales_window.opens_before.days_before"),
        (["B"], (("B", SalesWindow(open_days_before=0, open_at=time(23))),), "train.sections[0].sales_window.opens_before"),
    ],
)
def test_an_update_of_windows_is_refused_where_a_section_or_window_is_wrong(
    sections: list[str], windows: tuple[tuple[str, SalesWindow], ...], field: str
) -> None:
    wanted = replace(
        a_train(), sections=tuple(Section(name, FREE) for name in sections), terms=SalesTerms(section_windows=windows)
    )
    with invalid(field):
        updated_train(a_train(), wanted, [SECTION_WINDOWS_FIELD])


# -- changes of the layout


def test_a_section_takes_its_window_with_it() -> None:
    train = with_windows(("A", CLOSES_EARLY), ("B", CLOSES_EARLY), of_train=A_MONTH_BEFORE, layout="A1 B1 C1")
    kept = change_train_layout(train, [SetFare("A", Money(1, "USD")), RemoveSection("B")])
    assert kept.terms == replace(train.terms, section_windows=(("A", CLOSES_EARLY),))
    anew = change_train_layout(train, [RemoveSection("B"), AddSection("B", Money(1, "USD"))])
    assert anew.terms.section_windows == (("A", CLOSES_EARLY),)


# -- documents


def read_again(train: Train) -> Train:
    """Return the train as another server reads it."""
    document = train_document(StoredTrain(train, "r1", NOW, 1))
    return train_from(bson.decode(bson.encode(document), bson.CodecOptions(tz_aware=True))).train


@pytest.mark.parametrize(
    "train",
    [
        a_train(),
        replace(a_train(), schedule_horizon_days=60),
        with_windows(of_train=A_MONTH_BEFORE),
        with_windows(("A", ALWAYS_OPEN), ("B", AT_AN_INSTANT), of_train=CLOSES_EARLY),
    ],
)
def test_a_train_and_its_runs_come_back_from_their_documents_as_they_were(train: Train) -> None:
    assert read_again(train) == train
    run = make_run(train, TRAVEL_DATE)
    again = run_from(bson.decode(bson.encode(run_document(run, NOW)), bson.CodecOptions(tz_aware=True)))
    assert again.terms == train.terms
    assert again.section_sales == run.section_sales


def test_a_train_of_an_earlier_version_is_always_on_sale_and_has_no_horizon() -> None:
    document = train_document(StoredTrain(a_train(), "r1", NOW, 1))
    del document["schedule_horizon_days"]
    assert not {"sales_window", "section_windows"} & set(document["terms"])
    stored = train_from(document)
    assert (stored.train, stored.scheduled_until) == (a_train(), "")


def test_how_far_a_train_was_scheduled_is_read_and_no_change_of_it_writes_it() -> None:
    document = train_document(StoredTrain(a_train(), "r1", NOW, 1, scheduled_until="2026-12-31"))
    assert "scheduled_until" not in document
    assert train_from(document | {"scheduled_until": "2026-12-31"}).scheduled_until == "2026-12-31"


@pytest.mark.parametrize(
    "window",
    [
        {"open_time": None, "open_days_before": "7", "open_at": "00:00", "closes_minutes_before": 0},
        {"open_time": "soon", "open_days_before": None, "open_at": "00:00", "closes_minutes_before": 0},
        {"open_time": None, "open_days_before": None, "closes_minutes_before": 0},
        {},
        "always",
    ],
)
def test_a_window_of_another_shape_is_unreadable(window: object) -> None:
    document = train_document(StoredTrain(a_train(), "r1", NOW, 1))
    with pytest.raises(UnreadableError):
        train_from(document | {"terms": document["terms"] | {"sales_window": window}})
