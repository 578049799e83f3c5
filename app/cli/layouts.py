"""Commands on layouts: layout plan, layout apply, layout status.

Belongs here: building each request from what was typed, asking, and the calls. Does not belong here: the syntax of operations
(`app.cli.layout_operations`), following a layout job (`app.cli.layout_progress`), the layout of answers
(`app.cli.render.layouts`). gRPC and rich are imported inside the commands, so that `--help` does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

import re
import sys
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.failures import EXIT_REFUSED, CallError, Failure, UsageError, printable
from app.cli.layout_operations import TypedOperation, naming_operations, takes_operations
from app.cli.options import CallerOptions
from app.cli.parameters import TrainArgument

if TYPE_CHECKING:
    from app.cli.calls import Calls
    from app.pb.seatline.v1 import layout_pb2

# How often a plan that has changed before it was carried out is shown and asked about again. With a reservation this happens
# only when somebody else changes the layout too.
PLANS_MAX = 5
# Reasons for which another plan helps: the consequences have changed, or the train has.
_REASONS_TO_PLAN_AGAIN = frozenset({"PLAN_CHANGED", "ETAG_STALE"})
_RESERVE = re.compile(r"(?=[0-9])(?:(?P<minutes>[0-9]{1,4})m)? ?(?:(?P<seconds>[0-9]{1,6})s)?", re.ASCII)
_RESERVE_DEFAULT = "10m"

RunDateArgument = Annotated[
    str, typer.Argument(metavar="DATE", help="Travel date, YYYY-MM-DD. Without it: the train and all its future runs.")
]
AllowLowerOption = Annotated[
    bool,
    typer.Option("--allow-lower", help="Seats in a section with a lower fare will do; the difference is refunded."),
]
RefundDisplacedOption = Annotated[
    bool,
    typer.Option("--refund-displaced", help="Cancel and refund passengers without a seat, instead of letting them wait."),
]
ReserveOption = Annotated[
    str,
    typer.Option(
        "--reserve",
        metavar="TIME",
        help="Keep the seats of a run's plan for so long, such as 10m; at most 15m. Holds on seats to remove end at once.",
    ),
]


@takes_operations
def plan(
    options: CallerOptions,
    operations: list[TypedOperation],
    train: TrainArgument,
    date: RunDateArgument = "",
    allow_lower: AllowLowerOption = False,
    refund_displaced: RefundDisplacedOption = False,
    reserve: ReserveOption = "",
) -> None:
    """Show what a change of the layout would do: moves, passengers without a seat, refunds. The layout stays."""
    from app.cli.calls import Calls
    from app.cli.render.layouts import apply_command_text, plan_page
    from app.cli.render.screen import print_json, print_page, print_text, stdout_console

    reserve_seconds = _reserve_seconds(reserve, date)
    with Calls(options) as calls:
        change = _Change(calls, operations, train, date, allow_lower, refund_displaced)
        answer = change.plan(reserve_seconds)
    if options.as_json:
        print_json(answer)
        return
    print_page(plan_page(answer, train, date, stdout_console()))
    print_text(apply_command_text(answer, train, date, change.typed_options))


@takes_operations
def apply(  # noqa: PLR0913, PLR0917  one parameter for each option
    options: CallerOptions,
    operations: list[TypedOperation],
    train: TrainArgument,
    date: RunDateArgument = "",
    allow_lower: AllowLowerOption = False,
    refund_displaced: RefundDisplacedOption = False,
    reserve: ReserveOption = "",
    plan_hash: Annotated[
        str, typer.Option("--plan-hash", metavar="HASH", help="Carry out exactly this plan, without asking, or nothing.")
    ] = "",
    is_agreed: Annotated[bool, typer.Option("--yes", help="Make the change without showing a plan and asking.")] = False,
    request_id: Annotated[
        str, typer.Option("--request-id", metavar="ID", help="Retry an earlier request: the same ID changes the layout once.")
    ] = "",
) -> None:
    """Change the layout of a run, or of a train and all its future runs.

    Shows the plan and asks, unless --yes or --plan-hash is given. Keeps the seats of a run's plan for 10 minutes meanwhile.

    The change of a train is brought to its runs by a job, whose progress is shown. With --json it is not waited for.
    """
    from app.cli.calls import Calls
    from app.cli.render.layouts import changed_text, plan_page
    from app.cli.render.screen import print_json, print_page, print_text, stdout_console

    is_asking = not (is_agreed or plan_hash)
    if is_asking and (options.as_json or not _has_terminal()):
        raise UsageError("nobody can be asked here: add --yes, or --plan-hash with the hash that 'seatline layout plan' shows")
    reserve_seconds = _reserve_seconds(reserve or (_RESERVE_DEFAULT if date else ""), date)
    with Calls(options) as calls:
        change = _Change(calls, operations, train, date, allow_lower, refund_displaced)
        request_id = request_id or str(uuid.uuid4())
        answer = _plan_and_ask(change, request_id, reserve_seconds) if is_asking else change.make(request_id, plan_hash)
        if options.as_json:
            print_json(answer)
            return
        if not is_asking:  # otherwise it is exactly the plan that was shown
            print_page(plan_page(answer, train, date, stdout_console()))
        print_text(changed_text(answer))
        _follow_job(calls, answer.layout_job_id)


def _has_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def status(
    options: CallerOptions,
    layout_job_id: Annotated[
        str, typer.Argument(metavar="LAYOUT_JOB", help="Id of the layout job, as 'seatline layout apply' printed it.")
    ],
    is_watching: Annotated[bool, typer.Option("--watch", help="Show the progress until the job is complete.")] = False,
    shows_all: Annotated[bool, typer.Option("--all", help="List all runs, not only those that were not changed.")] = False,
) -> None:
    """Show how far the change of a train's layout has come, and which runs it could not change."""
    from app.cli.calls import Calls
    from app.cli.layout_progress import show_job, watch_job

    with Calls(options) as calls:
        if is_watching:
            watch_job(calls, layout_job_id)
        refused_count = show_job(calls, layout_job_id, shows_all=shows_all)
    if is_watching and refused_count:
        raise typer.Exit(EXIT_REFUSED)


class _Change:
    """One change of a layout as typed: its plans, and making it."""

    def __init__(
        self,
        calls: Calls,
        operations: list[TypedOperation],
        train: str,
        date: str,
        allow_lower: bool,
        refund_displaced: bool,
    ) -> None:
        from app.pb.seatline.v1 import layout_pb2

        self.calls = calls
        self.train, self.date = train, date
        self._operations = operations
        self._etag = ""
        self._request = layout_pb2.UpdateLayoutRequest(
            train_id=train,
            travel_date=date,
            operations=self._messages(),
            allow_lower=allow_lower,
            refund_displaced=refund_displaced,
        )

    @property
    def typed_options(self) -> list[str]:
        """Return the options that make the same change."""
        words = [word for operation in self._operations for word in (operation.option.flag, operation.text)]
        flags = {"--allow-lower": self._request.allow_lower, "--refund-displaced": self._request.refund_displaced}
        return [*words, *(flag for flag, is_set in flags.items() if is_set)]

    def plan(self, reserve_seconds: int) -> layout_pb2.LayoutPlan:
        """Return a new plan, with its seats reserved. Raises `CallError`."""
        request = self._copy(self._current_etag())
        request.validate_only = True
        if reserve_seconds:
            request.reserve.seconds = reserve_seconds
        return self._send(request, "")

    def make(self, request_id: str, plan_hash: str) -> layout_pb2.LayoutPlan:
        """Make the change; with `plan_hash`, exactly as planned. Raises `CallError`."""
        request = self._copy(self._etag or self._current_etag())
        request.request_id, request.plan_hash = request_id, plan_hash
        agreed = f"--plan-hash {plan_hash}" if plan_hash else "--yes"
        in_doubt = f"The change may be made: repeat with --request-id {request_id} {agreed} to find out."
        return self._send(request, in_doubt)

    def _copy(self, etag: str) -> layout_pb2.UpdateLayoutRequest:
        from app.pb.seatline.v1 import layout_pb2

        request = layout_pb2.UpdateLayoutRequest()
        request.CopyFrom(self._request)
        request.etag = etag
        return request

    def _send(self, request: layout_pb2.UpdateLayoutRequest, advice_in_doubt: str) -> layout_pb2.LayoutPlan:
        try:
            return self.calls.call(self.calls.train_runs.UpdateLayout, request, advice_in_doubt)
        except CallError as failed:
            fields = naming_operations(failed.failure.fields, self._operations)
            raise CallError(replace(failed.failure, fields=fields)) from failed

    def _messages(self) -> list[layout_pb2.LayoutOperation]:
        needs_currency = any(operation.needs_currency for operation in self._operations)
        currency = self._currency() if needs_currency else ""
        return [operation.message(currency) for operation in self._operations]

    def _currency(self) -> str:
        """Fetch the currency of the train."""
        from app.pb.seatline.v1 import train_pb2, train_run_pb2

        if self.date:
            request = train_run_pb2.GetTrainRunRequest(train_id=self.train, travel_date=self.date)
            fares = [section.fare for section in self.calls.call(self.calls.train_runs.GetTrainRun, request).sections]
        else:
            train = self.calls.call(self.calls.trains.GetTrain, train_pb2.GetTrainRequest(train_id=self.train))
            fares = [section.fare for section in train.sections]
        if not fares:
            raise CallError(
                Failure("INTERNAL", f"{self.train} has no sections; write fares with their currency, such as USD 25.00")
            )
        return str(fares[0].currency_code)

    def _current_etag(self) -> str:
        """Fetch the etag of the train, which a change of it requires. A run's change needs none: its plan_hash is exact."""
        from app.pb.seatline.v1 import train_pb2

        if not self.date:
            request = train_pb2.GetTrainRequest(train_id=self.train)
            self._etag = self.calls.call(self.calls.trains.GetTrain, request).etag
        return self._etag


def _plan_and_ask(change: _Change, request_id: str, reserve_seconds: int) -> layout_pb2.LayoutPlan:
    """Show a plan and ask, until it is carried out as shown. Raises `typer.Exit` if the answer is no."""
    from app.cli.render.layouts import declined_text, plan_page
    from app.cli.render.screen import print_page, print_text, stdout_console

    for attempt in range(PLANS_MAX):
        planned = change.plan(reserve_seconds)
        print_page(plan_page(planned, change.train, change.date, stdout_console()))
        if not typer.confirm("\napply?", default=False):
            print_text(declined_text(planned))
            raise typer.Exit(EXIT_REFUSED)
        try:
            return change.make(request_id, planned.plan_hash)
        except CallError as failed:
            if failed.failure.reason not in _REASONS_TO_PLAN_AGAIN or attempt == PLANS_MAX - 1:
                raise
            print_text(f"\nThe layout was not changed: {printable(failed.failure.message)}. This is the new plan:\n")
    raise AssertionError("the loop returns or raises")


def _follow_job(calls: Calls, layout_job_id: str) -> None:
    """Show the progress of the job that brings a train's change to its runs, and its report."""
    from app.cli.layout_progress import show_job, watch_job

    if not layout_job_id:
        return
    watch_job(calls, layout_job_id)
    if show_job(calls, layout_job_id, shows_all=False):
        raise typer.Exit(EXIT_REFUSED)


def _reserve_seconds(text: str, date: str) -> int:
    """Parse a time such as "10m" or "90s". Raises `UsageError`, also for a reservation of a train."""
    match = _RESERVE.fullmatch(text.strip())
    if text.strip() and match is None:
        raise UsageError(f"--reserve: {text!r} is not a time; write it like 10m, 90s or 1m 30s")
    seconds = 60 * int(match["minutes"] or 0) + int(match["seconds"] or 0) if match else 0
    if seconds and not date:
        raise UsageError("--reserve: only the seats of a run can be reserved; give a DATE")
    return seconds
