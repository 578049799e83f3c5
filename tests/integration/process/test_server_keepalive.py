"""Keepalive: clients that ping every few seconds stay connected. The tests speak HTTP/2 themselves, since a client library
decides itself when to ping.
"""

from __future__ import annotations

import asyncio
import struct

from app.store.in_memory import connect_in_memory
from tests.support.world import running_server, settings_for

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING, GOAWAY = 4, 6, 7
# Shorter than the documented ten seconds, to shorten the test; the server's own limit is five.
PING_SECONDS = 5.5
ANSWER_SECONDS_MAX = 20.0  # on a busy machine; an answer, or the end of the connection, takes a millisecond
PINGS = 4  # the third early ping would end the connection


def _frame(kind: int, payload: bytes = b"", flags: int = 0) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + bytes(4) + payload


async def _pings_answered(port: int, count: int, seconds: float) -> tuple[int, bool]:
    """Return how many pings on an idle connection were answered, and whether the server closed it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(PREFACE + _frame(SETTINGS) + _frame(SETTINGS, flags=1))
    answered, sent_away, all_answered = 0, False, asyncio.Event()

    async def read() -> None:
        nonlocal answered, sent_away
        while header := await reader.readexactly(9):
            length, kind, flags = int.from_bytes(header[:3], "big"), header[3], header[4]
            await reader.readexactly(length)
            answered += kind == PING and flags == 1
            sent_away = sent_away or kind == GOAWAY
            if answered == count:
                all_answered.set()

    reading = asyncio.create_task(read())
    for number in range(count):
        await asyncio.wait([reading], timeout=seconds if number else 0)
        writer.write(_frame(PING, struct.pack(">Q", number)))
    ending = asyncio.create_task(all_answered.wait())
    await asyncio.wait([reading, ending], timeout=ANSWER_SECONDS_MAX, return_when=asyncio.FIRST_COMPLETED)
    reading.cancel()
    ending.cancel()
    await asyncio.gather(reading, ending, return_exceptions=True)
    writer.close()
    return answered, sent_away


async def test_a_client_that_pings_every_few_seconds_stays_connected() -> None:
    async with running_server(settings_for(), connect_in_memory()) as world:
        assert await _pings_answered(world.server.port, PINGS, PING_SECONDS) == (PINGS, False)


async def test_a_client_that_pings_without_pause_is_disconnected() -> None:
    async with running_server(settings_for(), connect_in_memory()) as world:
        _, sent_away = await _pings_answered(world.server.port, 20, 0.05)
        assert sent_away
