"""The calls of TrainService.

Belongs here: for each call the same few lines: request to values, use case, answer to message. Does not belong here: the
meaning of messages (`requests.py`, `answers.py`), who may call (`app/rpc/policies.py`).
"""

from app.pb.seatline.v1 import train_pb2
from app.rpc import fields, page_filling, paging
from app.rpc.context import CallContext
from app.rpc.trains import answers, requests
from app.usecases.trains import TrainUseCases

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 200  # an answer then mostly has about 200 kB


class TrainServicer:
    """The methods of TrainService."""

    def __init__(self, trains: TrainUseCases) -> None:
        self._trains = trains

    async def CreateTrain(self, request: train_pb2.CreateTrainRequest, context: CallContext) -> train_pb2.Train:
        """Create a train."""
        stored = await self._trains.create(
            requests.train(request.train),
            fields.request_id(request.request_id),
            validate_only=request.validate_only,
        )
        return answers.train(stored, validate_only=request.validate_only)

    async def GetTrain(self, request: train_pb2.GetTrainRequest, context: CallContext) -> train_pb2.Train:
        """Return a train."""
        return answers.train(await self._trains.get(fields.train_id(request.train_id)))

    async def ListTrains(self, request: train_pb2.ListTrainsRequest, context: CallContext) -> train_pb2.ListTrainsResponse:
        """List all trains."""
        trains, after = await page_filling.fill_page(
            self._trains.list_page,
            answers.train,
            lambda stored: (stored.train.train_id,),
            after=paging.TRAINS.decode(request.page_token),
            count_max=fields.page_size(request.page_size, default=PAGE_SIZE_DEFAULT, most=PAGE_SIZE_MAX),
            read_max=page_filling.LARGE_ITEMS_READ_MAX,
        )
        return train_pb2.ListTrainsResponse(trains=trains, next_page_token=paging.TRAINS.encode(after))

    async def UpdateTrain(self, request: train_pb2.UpdateTrainRequest, context: CallContext) -> train_pb2.Train:
        """Change a train, for runs that are made from now on."""
        wanted, masked = requests.train_update(request)
        stored = await self._trains.update(wanted, masked, request.etag, validate_only=request.validate_only)
        return answers.train(stored, validate_only=request.validate_only)
