"""The process of a verification: connects to the database, has all of it looked at, and hands over the report.

Belongs here: what is built from what. Does not: what is looked at (`app/usecases/verification/runs.py`), nor how it is told
(`app/cli`).
"""

import asyncio
from datetime import date, timedelta
from typing import Any

from app.config import Settings
from app.domain.refusals import Refusal
from app.process.clock import utc_now
from app.store.driver import ConnectionStringError, connect
from app.usecases.verification.report import Progress, Scope
from app.usecases.verification.runs import Verification, audit_sources


class VerificationError(Exception):
    """The database could not be looked at; the text says why in a line."""


class DatabaseAwayError(VerificationError):
    """The database was not reached, or went away meanwhile; the same may succeed later."""


def run_verification(
    settings: Settings, tolerance_seconds: float, since: date | None, run_id: str, progress: Progress
) -> dict[str, Any]:
    """Looks at the database of the settings; gives the report as JSON can hold it.

    `since` and `run_id` narrow what is looked at (`app.usecases.verification.report.Scope`); `progress` is told how far it is.
    Raises
    VerificationError.
    """
    verifying = _verify(settings, timedelta(seconds=tolerance_seconds), Scope(since, run_id), progress)
    try:
        return asyncio.run(verifying)
    except Refusal as refusal:
        raise DatabaseAwayError(f"the database does not answer: {refusal.__cause__}") from refusal


async def _verify(settings: Settings, tolerance: timedelta, scope: Scope, progress: Progress) -> dict[str, Any]:
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
        sources = audit_sources(client[settings.mongodb_database], utc_now)
        report = await Verification(sources, tolerance, scope, progress).verify()
    except Refusal:
        raise
    except Exception as error:  # the database refuses to be read, or holds what nobody can read
        raise VerificationError(f"the database cannot be read: {error!r}") from error
    finally:
        client.close()
    return report.document
