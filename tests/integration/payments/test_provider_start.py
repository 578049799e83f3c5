"""Starting a process with settings of a payment provider that cannot be used: one line, and nothing was started."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.server_processes import seatline


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"SEATLINE_PAYMENTS_PROVIDER": "barter"}, "SEATLINE_PAYMENTS_PROVIDER: 'barter' is not one of "),
        ({"SEATLINE_PAYMENTS_PROVIDER": "stripe"}, "SEATLINE_PAYMENTS_STRIPE_KEY: is needed"),
        (
            {"SEATLINE_PAYMENTS_PROVIDER": "stripe", "SEATLINE_PAYMENTS_STRIPE_KEY": "pk_live_n33dle"},
            "SEATLINE_PAYMENTS_STRIPE_KEY: holds a publishable key",
        ),
    ],
)
def test_a_server_with_unusable_provider_settings_stops_before_it_starts_a_database(
    settings: dict[str, str], line: str, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    done = seatline("serve", **{"SEATLINE_DATA_DIR": str(data_dir), **settings})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: {line}")
    assert done.stderr.count("\n") == 1
    assert "n33dle" not in done.stderr
    assert not data_dir.exists()
