"""Pages of layout changes: the table of consequences, a layout job, and its outcomes."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console, RenderableType

from app.cli.render.layouts import (
    apply_command_text,
    changed_text,
    declined_text,
    job_page,
    outcomes_table,
    plan_page,
    progress_text,
)
from app.cli.render.screen import console_for
from app.pb.seatline.v1 import layout_pb2
from tests.support.layout_plans import PLAN_HASH, a_layout_job, a_plan, some_outcomes
from tests.support.scripted_service import at
from tests.support.world import usd

RULE = "─"  # the line under headings, however long


class AsciiStream(io.StringIO):
    encoding = "ascii"


def lines_of(page: RenderableType, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None, record=True)
    console.print(page)
    return [RULE if line.startswith(RULE) else line.rstrip() for line in console.export_text().splitlines()]


def words_of(lines: Sequence[str]) -> list[list[str]]:
    return [line.split() for line in lines]


def shown(plan: layout_pb2.LayoutPlan, width: int = 80, stream: io.StringIO | None = None) -> list[str]:
    console = Console(file=stream or io.StringIO(), width=width, color_system=None)
    return lines_of(plan_page(plan, "es9014", "2030-07-01", console), width)


def test_a_plan_shows_every_consequence_and_then_their_sum() -> None:
    assert shown(a_plan()) == [
        "Layout plan, nothing was changed: es9014, Mon 01 Jul 2030",
        "",
        "Section  Seats            Fare",
        RULE,
        "A        224 → 168 (-56)  USD 20.00 → USD 25.00",
        "B        8                USD 20.00",
        "C        new: 60          USD 35.00",
        "D        12 → removed     USD 10.00",
        "",
        "Displaced passengers",
        "Booking  No.  From (coach)  To (coach)  How",
        RULE,
        "7K2M9Q   1    A-113 (3)     A-40 (1)    same section",
        "         2    A-114 (3)     A-41 (1)    same section",
        "AB3D5F   1    A-116 (3)     C-43 (9)    better section, apart",
        "         2    A-117 (3)     A-44 (1)    same section, apart",
        "M4N5P6   1    D-1 (4)       B-2 (5)     lower section",
        "W1W2W3   1    A-130 (3)     none        waits for a seat",
        "         3    A-131 (3)     none        waits for a seat",
        "",
        "Refunds",
        "Booking  No.   Amount     Why",
        RULE,
        "M4N5P6   1     USD 5.00   lower section",
        "C9C9C9   1, 2  USD 40.00  cancelled: no seat",
        "",
        "Promoted from the waitlist",
        "Booking  Seats",
        RULE,
        "Q7Q7Q7   C-1, C-2",
        "",
        "Move            5 passengers",
        "Wait            2 passengers",
        "Cancelled       2 passengers",
        "Refunds         USD 45.00",
        "Promoted        1 booking",
        "Holds that end  1",
        f"Plan hash       {PLAN_HASH}",
    ]


def test_a_plan_that_affects_nobody_says_so() -> None:
    plan = layout_pb2.LayoutPlan(validate_only=True, plan_hash=PLAN_HASH)
    plan.sections.add(section="A", seats_before=4, seats_after=8, fare_before=usd(20), fare_after=usd(20))
    assert words_of(shown(plan))[4:] == [
        ["A", "4", "→", "8", "(+4)", "USD", "20.00"],
        [],
        ["Passengers", "nobody", "is", "affected"],
        ["Plan", "hash", PLAN_HASH],
    ]


def test_a_plan_says_until_when_its_seats_are_reserved() -> None:
    plan = a_plan()
    plan.reserve_expire_time.CopyFrom(at("2030-06-30T10:10:00Z"))
    lines = shown(plan)
    assert lines[0] == "Layout plan, seats reserved: es9014, Mon 01 Jul 2030"
    assert "Reserved until  Sun 30 Jun 2030 10:10:00 UTC" in lines
    assert declined_text(plan).endswith("The seats of the plan stay reserved until Sun 30 Jun 2030 10:10:00 UTC.")


def test_the_plan_of_a_train_says_how_many_of_its_runs_were_planned() -> None:
    plan = layout_pb2.LayoutPlan(validate_only=True, run_count=1_300, planned_run_count=900, skipped_run_count=2)
    plan.refused_run_count = 1
    plan.counts.moved_passengers = 1_234
    lines = lines_of(plan_page(plan, "es9014", "", Console(width=80)))
    assert lines[0] == "Layout plan, nothing was changed: es9014 and its future runs"
    assert "Move         1,234 passengers" in lines
    assert lines[lines.index("Future runs  1,300, 900 of them planned here") + 1 :][:2] == [
        "Skipped      2 runs: departed, or with a layout of its own",
        "Refused      1 run: a rule refuses the change; plan it for these dates",
    ]


def test_a_trains_change_names_its_job_and_no_passengers_yet() -> None:
    plan = layout_pb2.LayoutPlan(layout_job_id="es9014:4", run_count=30)
    text = "\n".join(lines_of(plan_page(plan, "es9014", "", Console(width=80))))
    assert "Layout job   es9014:4" in text
    assert "nobody" not in text
    assert changed_text(plan).endswith("Layout job es9014:4 brings the change to its future runs.")


def test_a_change_that_was_made_is_not_called_a_plan() -> None:
    assert shown(a_plan(validate_only=False))[0] == "Layout change: es9014, Mon 01 Jul 2030"
    assert changed_text(a_plan(validate_only=False)) == "\nThe layout was changed."


def test_the_answer_to_a_repeated_request_has_only_the_sum() -> None:
    plan = layout_pb2.LayoutPlan(counts=layout_pb2.LayoutCounts(moved_passengers=2))
    assert shown(plan)[2:] == ["An earlier call with this request id made it.", "", "Move  2 passengers"]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = shown(a_plan(), width)
    assert max(map(len, lines)) <= width
    assert {"7K2M9Q", "AB3D5F", "M4N5P6", "W1W2W3", "Q7Q7Q7", "C9C9C9"} <= {line.split(" ")[0] for line in lines}


def test_a_terminal_without_unicode_gets_ascii_arrows() -> None:
    stream = AsciiStream()
    console = console_for(stream)
    console.print(plan_page(a_plan(), "es9014", "2030-07-01", console))
    text = stream.getvalue()
    assert "224 -> 168 (-56)" in text
    assert text.isascii()


def test_a_text_of_the_service_cannot_control_the_terminal() -> None:
    plan = a_plan()
    plan.moves[0].reference = "\x1b[2J"
    plan.sections[0].section = "A\nB"
    assert "\x1b" not in "\n".join(shown(plan))
    assert "\x1b" not in "\n".join(lines_of(outcomes_table(some_outcomes().outcomes)))


def test_values_that_this_program_does_not_know_are_shown_by_number() -> None:
    plan = layout_pb2.LayoutPlan()
    plan.moves.add(reference="7K2M9Q", passenger_number=1, step=99)
    plan.refunds.add(reference="7K2M9Q", cause=98)
    text = "\n".join(shown(plan))
    assert "step 99" in text
    assert "cause 98" in text


def test_the_next_command_can_be_pasted_into_a_shell() -> None:
    text = apply_command_text(a_plan(), "es9014", "2030-07-01", ["--fare", "A=USD 25.00", "--allow-lower"])
    assert text.splitlines()[-1] == (
        f"  seatline layout apply es9014 2030-07-01 --fare 'A=USD 25.00' --allow-lower --plan-hash {PLAN_HASH}"
    )
    assert "apply es9014 --remove-coach" in apply_command_text(a_plan(), "es9014", "", ["--remove-coach", "3"])


def test_a_layout_job_shows_how_many_runs_have_which_outcome() -> None:
    lines = lines_of(job_page(a_layout_job(28, 1, 1)))
    assert lines[1:5] == [
        "Layout job es9014:4",
        "Train           es9014",
        "State           complete",
        "Runs            30 runs: 28 changed, 1 skipped, 1 refused",
    ]
    assert lines[-1] == "Complete        Sat 01 Jun 2030 08:01 UTC"


def test_a_layout_job_without_a_list_of_runs_yet_says_so() -> None:
    lines = lines_of(job_page(a_layout_job(0, run_count=0)))
    assert "Runs            not listed yet: 0 changed" in lines
    assert "State           running" in lines


def test_outcomes_are_listed_with_what_was_done_or_why_not() -> None:
    assert words_of(lines_of(outcomes_table(some_outcomes().outcomes)))[3:] == [
        "Tue 02 Jul 2030 changed move 3 passengers, promoted 1 booking".split(),
        "Wed 03 Jul 2030 skipped its own layout was changed".split(),
        "Thu 04 Jul 2030 refused displaces 612 passengers\ufffd[31m".split(),
    ]


def test_the_progress_names_only_what_did_not_go_well() -> None:
    assert progress_text(a_layout_job(3)) == ""
    assert progress_text(a_layout_job(3, skipped=2)) == "2 skipped"
    assert progress_text(a_layout_job(3, skipped=2, refused=1)) == "2 skipped, 1 refused"
