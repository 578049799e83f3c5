"""The long mode of the tests is one switch."""

from __future__ import annotations

import pytest

from tests.support.long_mode import VARIABLE, full, is_long


@pytest.mark.parametrize(("value", "expected"), [("1", 20_000), ("0", 400), ("", 400)])
def test_the_switch_chooses_between_full_and_short_counts(monkeypatch: pytest.MonkeyPatch, value: str, expected: int) -> None:
    monkeypatch.setenv(VARIABLE, value)
    assert full(20_000, short=400) == expected


def test_without_the_switch_counts_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert not is_long()


def test_another_value_of_the_switch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "yes")
    with pytest.raises(ValueError, match=VARIABLE):
        is_long()
