"""The chart of the benchmark: panels of labelled bars in SVG."""

from xml.etree import ElementTree as ET

import pytest

from tests.bench.chart import BAR_WIDTH, WIDTH, Bar, Panel, draw, draw_results
from tests.bench.floors import judge
from tests.bench.results import Results

SVG = "{http://www.w3.org/2000/svg}"


def draw_tree(*panels: Panel) -> ET.Element:
    return ET.fromstring(draw(panels))  # noqa: S314 - our own text


def test_every_bar_has_its_label_its_note_and_a_width_by_its_length() -> None:
    tree = draw_tree(Panel("Speed", (Bar("one", 0.5, "50/s", "ours"), Bar("two", 1.0, "100/s", "reference"))))
    assert [text.text for text in tree.iter(f"{SVG}text")] == ["Speed", "one", "50/s", "two", "100/s"]
    widths = [float(rect.get("width", "0")) for rect in tree.iter(f"{SVG}rect")]
    assert widths == pytest.approx([BAR_WIDTH / 2, BAR_WIDTH])


def test_a_tiny_bar_is_visible_and_a_long_one_stays_inside() -> None:
    tree = draw_tree(Panel("Speed", (Bar("none", 0.0, "", "ours"), Bar("huge", 9.0, "", "ours"))))
    widths = [float(rect.get("width", "0")) for rect in tree.iter(f"{SVG}rect")]
    assert 0 < widths[0] < 5
    assert widths[1] == BAR_WIDTH


def test_panels_are_drawn_below_each_other_and_the_chart_is_as_high_as_they_need() -> None:
    bar = Bar("one", 1.0, "", "ours")
    one, two = draw_tree(Panel("First", (bar,))), draw_tree(Panel("First", (bar,)), Panel("Second", (bar,) * 3))
    assert float(two.get("height", "0")) > float(one.get("height", "0")) + 3 * 20
    assert two.get("viewBox") == f"0 0 {WIDTH} {two.get('height')}"


def test_texts_are_escaped() -> None:
    tree = draw_tree(Panel("a < b & c", (Bar('"<script>"', 1.0, "", "ours"),)))
    assert next(tree.iter(f"{SVG}text")).text == "a < b & c"


def test_the_background_is_transparent_for_light_and_dark_pages() -> None:
    tree = draw_tree(Panel("Speed", (Bar("one", 0.5, "", "ours"),)))
    assert len(list(tree.iter(f"{SVG}rect"))) == 1


def test_only_what_was_measured_is_shown() -> None:
    results = Results()
    results.add("echo_64_rate", 5_000, "calls/s")
    results.add_ratio("spread_to_echo", 0.25)
    words = [text.text for text in ET.fromstring(draw_results(results, judge(results))).iter(f"{SVG}text")]  # noqa: S314 - ours
    assert "bare echo, 64 callers" in words
    assert "0.25 (at least 0.5)" in words
    assert "GetReceipt" not in words
    assert "one run, 64 callers" not in words
