"""The process of a verification: connects to the database, has all of it looked at, and hands over the report.

Belongs here: what is built from what. Does not: what is looked at (`app/usecases/verifying.py`), nor how it is told
(`app/cli`).
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from app.config import Settings
from app.domain.refusals import Refusal
from app.store.census import Census
from app.store.driver import ConnectionStringError, Database, connect
from app.store.events import Events
from app.store.jobs import Jobs
from app.store.ledger import Ledger
from app.store.payments import Payments
from app.usecases.verifying import Sources, Verifying


class VerificationError(Exception):
    """The database could not be looked at; the text says why in a line."""


class DatabaseAwayError(VerificationError):
    """The database was not reached, or went away meanwhile; the same may succeed later."""


def run_verification(settings: Settings, patience_seconds: float) -> dict[str, Any]:
    """Looks at the whole database of the settings; gives the report as JSON can hold it.

    Raises VerificationError.
    """
    try:
        return asyncio.run(_verify(settings, timedelta(seconds=patience_seconds)))
    except Refusal as refusal:
        raise DatabaseAwayError(f"the database does not answer: {refusal.__cause__}") from refusal


async def _verify(settings: Settings, patience: timedelta) -> dict[str, Any]:
    try:
        client = connect(
            settings.mongodb_uri,
            operation_seconds_max=settings.mongodb_operation_seconds_max,
            selection_seconds_max=settings.mongodb_selection_seconds_max,
            connections_max=settings.mongodb_connections_max,
        )
    except ConnectionStringError as error:
        raise VerificationError(f"SEATLINE_MONGODB_URI: {error}") from error
    try:
        report = await Verifying(_sources(settings, client[settings.mongodb_database]), patience).verify()
    except Refusal:
        raise
    except Exception as error:  # the database refuses to be read, or holds what nobody can read
        raise VerificationError(f"the database cannot be read: {error!r}") from error
    finally:
        client.close()
    return report.document


def _sources(settings: Settings, database: Database) -> Sources:
    return Sources(
        Census(database),
        Payments(database),
        Ledger(database, _present_moment),
        Events(database),
        Jobs(database, settings.job_kept_seconds),
        _present_moment,
    )


def _present_moment() -> datetime:
    return datetime.now(UTC)
