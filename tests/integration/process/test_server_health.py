"""Health, reflection, the port, and draining."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from app.embedded.mongod import EmbeddedMongod
from app.process.bootstrap import start_server
from app.process.server import Server
from app.process.start_error import StartError
from app.store.in_memory import connect_in_memory
from tests.support.clients import people, seats_of
from tests.support.health_checks import LIVENESS, SERVICES, all_health, calls_under_way, health, slow_commits
from tests.support.world import World, eventually, running_server, settings_for


async def test_health_is_serving_for_the_server_and_each_service(world: World) -> None:
    assert await all_health(world.channel) == {"SERVING"}
    assert await health(world.channel, LIVENESS) == "SERVING"
    assert await health(world.channel, "seatline.v1.NoService") == "SERVICE_UNKNOWN"


async def test_reflection_lists_the_services(world: World) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(world.channel)  # type: ignore[arg-type]  # typed for synchronous channels only
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    async for answer in stub.ServerReflectionInfo(iter([asked])):
        listed = {service.name for service in answer.list_services_response.service}
        assert listed == {*SERVICES, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}


async def test_a_draining_server_is_not_serving_and_still_answers(real_world: World, mongod: EmbeddedMongod) -> None:
    run = await real_world.run()
    settings = settings_for(mongod.uri, real_world.database.name, drain_delay_seconds=2.0, health_interval_seconds=0.1)
    server = await start_server(settings)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        draining = World(server, channel)
        assert await all_health(channel) == {"SERVING"}
        stopping = asyncio.create_task(server.stop())
        await eventually(lambda: _says(channel, "NOT_SERVING"))
        assert await all_health(channel) == {"NOT_SERVING"}
        assert await health(channel, LIVENESS) == "SERVING"
        assert seats_of(await draining.api_client("jane").book(run)) == ["A-1"]
        assert await health(channel) == "NOT_SERVING", "a database that answers does not end the draining"
        await stopping


async def _says(channel: grpc.aio.Channel, status: str) -> bool:
    return await health(channel) == status


async def test_a_health_watch_does_not_delay_the_stop() -> None:
    server = await start_server(settings_for(drain_seconds=60.0), connect_in_memory())
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        begin = time.monotonic()
        stopping = asyncio.create_task(server.stop())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        await stopping
        assert time.monotonic() - begin < 20  # a stop that waits for the watch takes the 60 seconds of draining


async def test_a_second_server_on_the_port_does_not_start_and_the_first_goes_on(world: World) -> None:
    taken = f"127.0.0.1:{world.server.port}"
    with pytest.raises(StartError, match=taken):
        await start_server(settings_for(listen=taken), connect_in_memory())
    assert await health(world.channel) == "SERVING"


async def test_the_port_of_a_stopped_server_is_free() -> None:
    first = await start_server(settings_for(), connect_in_memory())
    await first.stop()
    async with running_server(settings_for(listen=f"127.0.0.1:{first.port}"), connect_in_memory()) as second:
        assert await health(second.channel) == "SERVING"


async def test_calls_in_flight_at_a_stop_finish(
    real_world: World, mongod: EmbeddedMongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await real_world.run("A50")
    server = await start_server(settings_for(mongod.uri, real_world.database.name, calls_in_flight_max=40))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        world = World(server, channel)
        async with slow_commits(server, monkeypatch) as (_, go_on):
            calls = await calls_under_way(channel, [partial(world.api_client(name).book, run) for name in people("p", 40)])
            stopping = asyncio.create_task(server.stop())
            await eventually(lambda: _refuses(server))
            go_on.set()
            booked = await asyncio.gather(*calls)
            await stopping
    assert len({seats_of(booking)[0] for booking in booked}) == 40
    assert len(await real_world.desk.section(run, "A")) == 40


async def _refuses(server: Server) -> bool:
    """Return whether it refuses new connections."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False
