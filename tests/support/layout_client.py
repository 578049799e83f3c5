"""A client of the calls about layouts, and of the other calls that change a train or a run.

Belongs here: thin methods over the generated stubs, and layout operations as messages. Not here: assertions.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeAlias

from google.protobuf import field_mask_pb2

from app.pb.seatline.v1 import layout_pb2, train_pb2, train_run_pb2
from tests.support.clients import ApiClient, Run
from tests.support.world import World, usd

Operation: TypeAlias = layout_pb2.LayoutOperation
Plan: TypeAlias = layout_pb2.LayoutPlan


def add_section(name: str, fare: int) -> Operation:
    """Add a section at a fare in whole dollars."""
    return Operation(add_section=layout_pb2.AddSection(name=name, fare=usd(fare)))


def remove_section(name: str) -> Operation:
    return Operation(remove_section=layout_pb2.RemoveSection(name=name))


def set_fare(section: str, fare: int) -> Operation:
    """Set a fare in whole dollars."""
    return Operation(set_fare=layout_pb2.SetFare(section=section, fare=usd(fare)))


def add_coach(name: str, section: str, seat_count: int) -> Operation:
    return Operation(add_coach=layout_pb2.AddCoach(name=name, section=section, seat_count=seat_count))


def remove_coach(name: str) -> Operation:
    return Operation(remove_coach=layout_pb2.RemoveCoach(name=name))


def set_seat_count(coach: str, seat_count: int) -> Operation:
    return Operation(set_seat_count=layout_pb2.SetSeatCount(coach=coach, seat_count=seat_count))


def remove_seats(section: str, *numbers: int) -> Operation:
    return Operation(remove_seats=layout_pb2.RemoveSeats(section=section, seat_numbers=numbers))


class LayoutClient(ApiClient):
    """An operator's client. All methods take `request_id`, `etag` and the other fields of their request as `asked`."""

    async def send_layout(self, request: layout_pb2.UpdateLayoutRequest) -> Plan:
        """Send a request as it is."""
        return await self.train_runs.UpdateLayout(request, **self._options)

    async def change(self, run: Run, *operations: Operation, **asked: Any) -> Plan:
        """Change the layout of a run, under a new request_id unless one is given."""
        return await self.send_layout(layout_request(run, *operations, **asked))

    async def plan(self, run: Run, *operations: Operation, reserve: int = 0, **asked: Any) -> Plan:
        """Plan the change of a run's layout; with `reserve`, keep its seats for so many seconds."""
        request = layout_request(run, *operations, request_id="", validate_only=True, **asked)
        if reserve:
            request.reserve.FromTimedelta(timedelta(seconds=reserve))
        return await self.send_layout(request)

    async def change_train_layout(self, train: train_pb2.Train, *operations: Operation, **asked: Any) -> Plan:
        """Change the layout of a train that was read, under a new request_id unless one is given."""
        return await self.send_layout(layout_request(Run(train_id=train.train_id), *operations, **{"etag": train.etag} | asked))

    async def layout_job(self, layout_job_id: str) -> layout_pb2.LayoutJob:
        request = layout_pb2.GetLayoutJobRequest(layout_job_id=layout_job_id)
        return await self.train_runs.GetLayoutJob(request, **self._options)

    async def outcomes_page(self, layout_job_id: str, **asked: Any) -> layout_pb2.ListLayoutOutcomesResponse:
        request = layout_pb2.ListLayoutOutcomesRequest(layout_job_id=layout_job_id, **asked)
        return await self.train_runs.ListLayoutOutcomes(request, **self._options)

    async def update_train(self, train: train_pb2.Train, *, mask: Sequence[str] = (), **asked: Any) -> train_pb2.Train:
        """Change a train that was read."""
        request = train_pb2.UpdateTrainRequest(
            train=train, update_mask=field_mask_pb2.FieldMask(paths=mask), **{"etag": train.etag} | asked
        )
        return await self.trains.UpdateTrain(request, **self._options)

    async def hide(self, run: Run, *, hidden: bool = True) -> train_run_pb2.TrainRun:
        """Hide a run from buyers, or show it."""
        request = train_run_pb2.UpdateTrainRunRequest(train_id=run.train_id, travel_date=run.travel_date, hidden=hidden)
        return await self.train_runs.UpdateTrainRun(request, **self._options)

    async def delete_run(self, run: Run) -> train_run_pb2.DeleteTrainRunResponse:
        request = train_run_pb2.DeleteTrainRunRequest(train_id=run.train_id, travel_date=run.travel_date)
        return await self.train_runs.DeleteTrainRun(request, **self._options)


def layout_client(world: World, name: str = "desk") -> LayoutClient:
    """Return a client of an operator."""
    return LayoutClient(world.channel, name, roles="operator")


def layout_request(run: Run, *operations: Operation, **asked: Any) -> layout_pb2.UpdateLayoutRequest:
    """Build an UpdateLayout request under a new request_id, unless `asked` has another."""
    fields = {"request_id": str(uuid.uuid4()), "train_id": run.train_id, "travel_date": run.travel_date} | asked
    return layout_pb2.UpdateLayoutRequest(operations=operations, **fields)
