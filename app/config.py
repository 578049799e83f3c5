"""Configuration: what differs from one deployment to the next.

Belongs here: every SEATLINE_* environment variable with its default, its bounds and its reason. Does not: the bounds of the
business (`app/domain/limits.py`).
"""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ENVIRONMENT_PREFIX = "SEATLINE_"
_PORT_MAX = 65_535
_LISTEN = re.compile(r"unix:.+|(?P<host>\[[0-9a-fA-F:.]+\]|[^:\s]+):(?P<port>\d{1,5})")


class SettingsError(Exception):
    """The environment holds a value that cannot be used; the text names each variable and what is wrong, a line each."""


class Settings(BaseSettings):
    """All settings. Each field `x` is the environment variable `SEATLINE_X`."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, frozen=True)

    listen: str = Field(
        "127.0.0.1:50051", description="Where gRPC is served: host:port, [ipv6]:port or unix:path. Port 0 takes a free one."
    )
    trust_caller_metadata: bool = Field(
        False,
        description="Callers name themselves (x-seatline-user, x-seatline-roles). Beyond loopback that must be allowed here.",
    )
    mongodb_uri: str = Field(
        "",
        repr=False,
        description="Your MongoDB, 6 or newer, as a replica set. Empty: one of our own is started in the data directory.",
    )
    mongodb_database: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,38}$")] = Field(
        "seatline", description="The database's name."
    )
    mongodb_connections_max: int = Field(
        20, ge=2, le=500, description="Connections to MongoDB. Each commit holds one for milliseconds; lanes need few."
    )
    mongodb_operation_seconds_max: float = Field(
        5.0,
        gt=0,
        le=60,
        description="The longest a statement may take in all. A commit takes milliseconds; an election, seconds.",
    )
    mongodb_selection_seconds_max: float = Field(
        2.0, gt=0, le=60, description="The longest to look for a primary before the caller is told UNAVAILABLE."
    )
    metrics_listen: str = Field(
        "",
        description="Where metrics and probes are served over HTTP: host:port or [ipv6]:port. Port 0 takes a free one. "
        "Empty: nowhere, and nothing is measured.",
    )
    survey_seconds: float = Field(
        15.0,
        ge=1,
        le=600,
        description="How often a worker counts seats, jobs and refunds for its metrics; as often as they are scraped.",
    )
    data_dir: Path = Field(Path(".seatline"), description="Where our own MongoDB keeps its files.")
    log_level: Annotated[str, StringConstraints(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = Field(
        "INFO", description="How much is logged: DEBUG, INFO, WARNING or ERROR."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="How log lines look: json, console (for people), or auto: console on a terminal, else json."
    )
    log_call_lines_per_second_max: int = Field(
        10,
        ge=1,
        le=10_000,
        description="Lines a second about refused calls of one method; the rest is counted. One takes 40 us.",
    )

    message_bytes_max: int = Field(
        65_536,
        ge=16_384,
        le=16_777_216,
        description="The largest request. The largest honest one, a train of 60 stops, has 34 kB. 1 MB may take 40 to read.",
    )
    calls_in_flight_max: int = Field(
        5_000,
        ge=1,
        le=100_000,
        description="Calls answered at a time; more are told RESOURCE_EXHAUSTED.",
    )
    connections_max: int = Field(
        2_000,
        ge=8,
        le=100_000,
        description="Clients' connections; more are closed at once, and the server is not ready. An idle one takes 15 kB.",
    )
    connection_calls_max: int = Field(
        256, ge=1, le=10_000, description="Calls of one connection at a time; clients keep others back until one has ended."
    )
    call_seconds_max: float = Field(
        30.0, gt=0, le=300, description="The longest a call may take whose client set no deadline, or a longer one."
    )
    request_seconds_max: float = Field(
        5.0, gt=0, le=60, description="How long a request may take to arrive once its call has begun. Most have a packet."
    )
    drain_seconds: float = Field(
        10.0, ge=0, le=600, description="After SIGTERM: how long calls under way may take to finish. Calls take milliseconds."
    )
    drain_delay_seconds: float = Field(
        0.0,
        ge=0,
        le=60,
        description="After SIGTERM: how long to go on serving while health says NOT_SERVING, so that clients leave.",
    )
    connection_seconds_max: float = Field(
        10.0,
        ge=0,
        le=3_600,
        description="After so long a client is asked to connect anew, and so finds servers that were started since. A server "
        "that ends waits a tenth and a second longer for its clients to leave. 0: never; calls that meet its end are lost.",
    )
    health_interval_seconds: float = Field(1.0, gt=0, le=60, description="How often MongoDB is asked whether it is there.")
    lane_batch_max: int = Field(
        256, ge=1, le=512, description="Commands of one commit. More would only lengthen the slowest answer."
    )
    lane_commits_max: int = Field(
        16,
        ge=1,
        le=100,
        description="Trains that commit at a time. More of them share a statement, and make each batch smaller.",
    )
    lane_queue_max: int = Field(
        5_000, ge=1, le=100_000, description="Commands that may wait for one train; more are told RESOURCE_EXHAUSTED."
    )
    lane_commit_attempts_max: int = Field(
        16, ge=1, le=1_000, description="Swaps a batch may lose to other servers before its callers are told ABORTED."
    )
    lane_cached_passengers_max: int = Field(
        75_000,
        ge=0,
        le=10**8,
        description="Passengers of train runs kept in memory, about 550 bytes each; others are read again.",
    )
    webhook_timeout_seconds: float = Field(
        10.0,
        gt=0,
        le=30,
        description="The longest to wait for a webhook's receiver. Quick ones answer in milliseconds; slow ones hold a place.",
    )
    webhook_sends_max: int = Field(
        20,
        ge=1,
        le=500,
        description="Events sent to webhooks at a time. Each takes a connection; one receiver gets half of them at most.",
    )
    webhook_allow_private_addresses: bool = Field(
        False,
        description="Webhooks may lead to addresses that are not public. Whoever makes one could then reach into this network.",
    )

    payments_provider: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$")] = Field(
        "ledger", description="The payment provider: `ledger` (our own, for trials; nobody is charged) or `stripe`."
    )
    payments_timeout_seconds: float = Field(
        8.0, gt=0, le=60, description="The longest one try at the provider may take; card networks usually take one or two."
    )
    payments_attempts_max: int = Field(
        3, ge=1, le=10, description="Tries while a buyer waits. With their pauses they end before SEATLINE_CALL_SECONDS_MAX."
    )
    payments_retry_seconds: float = Field(
        0.25, gt=0, le=10, description="The longest pause before the second try; then it doubles."
    )
    payments_retry_seconds_max: float = Field(2.0, gt=0, le=60, description="The longest pause between tries.")
    with_worker: bool = Field(
        False,
        description="Whether this process also does the worker's part, as `seatline serve --with-worker`. Otherwise run "
        "`seatline worker`.",
    )
    job_batch_max: int = Field(100, ge=1, le=1_000, description="Jobs taken and done together. More hardly costs less a job.")
    job_batches_max: int = Field(4, ge=1, le=100, description="Batches of one kind that a worker does at a time.")
    job_lease_seconds: float = Field(
        30.0,
        ge=5,
        le=3_600,
        description="How long a killed worker's jobs wait for another. Far above what clocks differ by.",
    )
    job_poll_seconds: float = Field(
        0.5, ge=0.05, le=60, description="How long a job that another process made may go unnoticed; a look takes 1.5 ms."
    )
    job_attempts_max: int = Field(
        60, ge=1, le=1_000, description="Tries before a job is dead: with pauses up to 15 minutes, a provider's bad night."
    )
    job_kept_seconds: float = Field(
        604_800.0, ge=3_600, le=31_536_000, description="How long done jobs are kept, and so made only once."
    )

    @field_validator("listen")
    @classmethod
    def _is_address(cls, listen: str) -> str:
        if not _is_listenable(listen):
            raise ValueError("needs host:port with a port up to 65535, [ipv6]:port, or unix:path")
        return listen

    @field_validator("metrics_listen")
    @classmethod
    def _is_port_or_nothing(cls, listen: str) -> str:
        if listen and (listen.startswith("unix:") or not _is_listenable(listen)):
            raise ValueError("needs host:port with a port up to 65535, [ipv6]:port, or nothing")
        return listen

    @field_validator("mongodb_uri")
    @classmethod
    def _is_connection_string(cls, uri: str) -> str:
        if uri and not re.fullmatch(r"mongodb(\+srv)?://.+", uri):
            raise ValueError("needs to be mongodb://… or mongodb+srv://…")
        return uri

    @property
    def listen_host(self) -> str:
        """The host, or the path of a socket, that is listened on."""
        match = _LISTEN.fullmatch(self.listen)
        host = match["host"] if match else None
        return self.listen.removeprefix("unix:") if host is None else host.strip("[]")

    @property
    def listen_port(self) -> int | None:
        """The port that is listened on, 0 for one that is free; None for a socket with a path."""
        match = _LISTEN.fullmatch(self.listen)
        return int(match["port"]) if match and match["port"] else None

    @property
    def listens_on_loopback(self) -> bool:
        """Whether only this machine can connect."""
        match = _LISTEN.fullmatch(self.listen)
        host = match["host"] if match else None
        if host is None or host == "localhost":
            return True
        try:
            return ip_address(host.strip("[]")).is_loopback
        except ValueError:  # a name: who knows where it leads
            return False


def _is_listenable(listen: str) -> bool:
    match = _LISTEN.fullmatch(listen)
    return match is not None and int(match["port"] or 0) <= _PORT_MAX


def load_settings() -> Settings:
    """The settings of this process's environment. Raises SettingsError with one clear line for each bad value."""
    try:
        settings = Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_line(dict(one)) for one in error.errors())) from None
    if not settings.listens_on_loopback and not settings.trust_caller_metadata:
        raise SettingsError(
            f"SEATLINE_LISTEN: {settings.listen} is open to other machines, and callers name themselves without proof; "
            "set SEATLINE_TRUST_CALLER_METADATA=true only where everybody who can connect may do everything"
        )
    return settings


def _line(error: dict[str, object]) -> str:
    """A bad value in one line. What may hold a password is not repeated."""
    location = error["loc"]
    name = str(location[0] if isinstance(location, tuple) and location else "")
    value = "" if name == "mongodb_uri" else f" {error['input']!r}"
    return f"{ENVIRONMENT_PREFIX}{name.upper()}:{value} {error['msg']}"
