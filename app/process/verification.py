"""The process of a verification: connect to the database, check it, and return the report.

Belongs here: what the verification is built from. Does not belong here: what is checked (`app/usecases/verification`), or how
it is printed (`app/cli/verify.py`).
"""

import asyncio
from datetime import date, timedelta
from typing import Any

from app.config import Settings
from app.domain.refusals import Refusal
from app.process.clock import utc_now
from app.process.database import connect_mongodb
from app.process.payment_providers import PAYMENT_PROVIDERS
from app.process.start_error import StartError
from app.usecases.verification.report import Progress, Scope
from app.usecases.verification.verification import Verification, audit_sources


class VerificationError(Exception):
    """The database could not be checked; the text says why in one line."""


class DatabaseUnavailableError(VerificationError):
    """The database was not reached, or went away meanwhile; a later verification may succeed."""


def run_verification(
    settings: Settings, tolerance_seconds: float, since: date | None, run_id: str, progress: Progress
) -> dict[str, Any]:
    """Check the database of the settings; return the report as JSON can hold it.

    `since` and `run_id` narrow the scope (`app.usecases.verification.report.Scope`); `progress` is called as records are
    checked. Raise VerificationError.
    """
    verification = _verify(settings, timedelta(seconds=tolerance_seconds), Scope(since, run_id), progress)
    try:
        return asyncio.run(verification)
    except Refusal as refusal:
        raise DatabaseUnavailableError(f"the database does not answer: {refusal.__cause__}") from refusal


async def _verify(settings: Settings, tolerance: timedelta, scope: Scope, progress: Progress) -> dict[str, Any]:
    try:
        client = connect_mongodb(settings.mongodb_uri, settings)
    except StartError as error:
        raise VerificationError(str(error)) from error
    try:
        sources = audit_sources(client[settings.mongodb_database], PAYMENT_PROVIDERS.names, utc_now)
        report = await Verification(sources, tolerance, scope, progress).verify()
    except Refusal:
        raise
    except Exception as error:  # the database refuses to be read, or a document breaks a statement
        raise VerificationError(f"the database cannot be read: {error!r}") from error
    finally:
        client.close()
    return report.document
