"""Configuration: what differs from one deployment to the next.

Belongs here: every SEATLINE_* environment variable with its default, its bounds and its reason; those of notices and tickets
are in `notices.py`. Does not belong here: the limits of the domain (`app/domain/limits.py`), nor the settings of one payment
provider (`app/payments`).
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError, field_validator
from pydantic_settings import SettingsConfigDict

from app.config.notices import PORT_MAX, NoticeSettings, is_loopback

ENVIRONMENT_PREFIX = "SEATLINE_"
_LISTEN = re.compile(r"unix:.+|(?P<host>\[[0-9a-fA-F:.]+\]|[^:\s]+):(?P<port>\d{1,5})")


class SettingsError(Exception):
    """The environment has an unusable value. The text has one line for each, with the variable and what is wrong."""


class Settings(NoticeSettings):
    """All settings. The field `x` is the environment variable `SEATLINE_X`."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, frozen=True)

    listen: str = Field(
        "127.0.0.1:50051",
        description="The address of the gRPC server: host:port, [ipv6]:port or unix:path. Port 0 takes a free port.",
    )
    trust_caller_metadata: bool = Field(
        False,
        description="Trust who callers say they are (x-seatline-user, x-seatline-roles). Required beyond loopback.",
    )
    mongodb_uri: str = Field(
        "",
        repr=False,
        description="Your MongoDB, 6 or newer, a replica set. Empty: Seatline starts its own in the data directory.",
    )
    mongodb_database: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,38}$")] = Field(
        "seatline", description="The name of the database."
    )
    mongodb_connections_max: int = Field(
        20, ge=2, le=500, description="Connections to MongoDB. A commit uses one for milliseconds, so few are needed."
    )
    mongodb_operation_seconds_max: float = Field(
        5.0,
        gt=0,
        le=60,
        description="The longest time of a database operation, with retries. A commit takes milliseconds, an election seconds.",
    )
    mongodb_selection_seconds_max: float = Field(
        2.0, gt=0, le=60, description="The longest time to look for a primary before a call ends as UNAVAILABLE."
    )
    metrics_listen: str = Field(
        "",
        description="The address of metrics and probes over HTTP: host:port or [ipv6]:port. Port 0 takes a free port. "
        "Empty: none, and nothing is measured.",
    )
    survey_seconds: float = Field(
        15.0,
        ge=1,
        le=600,
        description="How often a worker counts seats, jobs and refunds for its metrics. Set it to the scrape interval.",
    )
    data_dir: Path = Field(Path(".seatline"), description="The directory of Seatline's own MongoDB.")
    log_level: Annotated[str, StringConstraints(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = Field(
        "INFO", description="The lowest level that is logged: DEBUG, INFO, WARNING or ERROR."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="The format of log lines: json, console (for people), or auto (console on a terminal, else json)."
    )
    log_call_lines_per_second_max: int = Field(
        10,
        ge=1,
        le=10_000,
        description="Log lines a second about refused calls of one method; further calls are counted. A line takes 40 us.",
    )

    message_bytes_max: int = Field(
        65_536,
        ge=16_384,
        le=16_777_216,
        description="The largest request. A train of 60 stops, the largest one, has 34 kB. Decoding 1 MB may take 40 MB.",
    )
    calls_in_flight_max: int = Field(
        5_000,
        ge=1,
        le=100_000,
        description="Calls in flight; further calls end as RESOURCE_EXHAUSTED.",
    )
    connections_max: int = Field(
        2_000,
        ge=8,
        le=100_000,
        description="Client connections. Further ones are closed, and the server is not ready. An idle one takes 15 kB.",
    )
    connection_calls_max: int = Field(
        256,
        ge=1,
        le=10_000,
        description="Calls in flight on one connection; clients hold back further calls until one has ended.",
    )
    call_seconds_max: float = Field(
        30.0, gt=0, le=300, description="The longest time of a call, also where its client set a later deadline or none."
    )
    request_seconds_max: float = Field(
        5.0,
        gt=0,
        le=60,
        description="The longest time for a request to arrive once its call has started. Most requests are one packet.",
    )
    drain_seconds: float = Field(
        10.0,
        ge=0,
        le=600,
        description="After SIGTERM: the longest time for calls in flight to finish. Calls take milliseconds.",
    )
    drain_delay_seconds: float = Field(
        0.0,
        ge=0,
        le=60,
        description="After SIGTERM: how long to serve on while health says NOT_SERVING, so that clients move to other servers.",
    )
    connection_seconds_max: float = Field(
        10.0,
        ge=0,
        le=3_600,
        description="The age at which clients are asked to reconnect, so that they find new servers. A server that stops "
        "waits for its clients a tenth and a second longer. 0: never; calls that arrive while it stops are lost.",
    )
    health_interval_seconds: float = Field(1.0, gt=0, le=60, description="How often MongoDB is pinged.")
    lane_batch_max: int = Field(
        256, ge=1, le=512, description="Commands in one commit. More would only delay the slowest answer."
    )
    lane_commits_max: int = Field(
        16,
        ge=1,
        le=100,
        description="Train runs that commit at the same time. More of them share an operation, with smaller batches.",
    )
    lane_queue_max: int = Field(
        5_000, ge=1, le=100_000, description="Commands waiting for one train run; further calls end as RESOURCE_EXHAUSTED."
    )
    lane_commit_attempts_max: int = Field(
        16, ge=1, le=1_000, description="Commits that a batch may lose to other servers before its calls end as ABORTED."
    )
    lane_cached_passengers_max: int = Field(
        75_000,
        ge=0,
        le=10**8,
        description="Passengers of the train runs cached in memory, about 550 bytes each. Other runs are read again.",
    )
    webhook_timeout_seconds: float = Field(
        10.0,
        gt=0,
        le=30,
        description="The longest time to wait for a webhook's receiver, which uses one of SEATLINE_WEBHOOK_SENDS_MAX.",
    )
    webhook_sends_max: int = Field(
        20,
        ge=1,
        le=500,
        description="Events sent to webhooks at the same time, each on a connection. One receiver gets at most half of them.",
    )
    webhook_allow_private_addresses: bool = Field(
        False,
        description="Allow webhooks to private addresses. Whoever creates a webhook can then send requests into this network.",
    )

    payments_provider: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$")] = Field(
        "ledger", description="The payment provider. `ledger` is our own, for trials: nobody is charged."
    )
    payments_timeout_seconds: float = Field(
        8.0,
        gt=0,
        le=60,
        description="The longest time of one request to the provider. Card networks usually take one or two seconds.",
    )
    payments_attempts_max: int = Field(
        3,
        ge=1,
        le=10,
        description="Tries of a request to the provider. With their pauses they end before SEATLINE_CALL_SECONDS_MAX.",
    )
    payments_retry_seconds: float = Field(
        0.25, gt=0, le=10, description="The longest pause before the second try; it doubles with each further try."
    )
    payments_retry_seconds_max: float = Field(2.0, gt=0, le=60, description="The longest pause between tries.")
    with_worker: bool = Field(
        False,
        description="Run the worker in the server, as `seatline serve --with-worker` does. Otherwise run `seatline worker`.",
    )
    job_batch_max: int = Field(
        100, ge=1, le=1_000, description="Jobs leased and run together. A larger batch hardly lowers the cost of a job."
    )
    job_batches_max: int = Field(4, ge=1, le=100, description="Batches of one kind that a worker runs at the same time.")
    job_lease_seconds: float = Field(
        30.0,
        ge=5,
        le=3_600,
        description="How long the jobs of a killed worker wait for another worker. Far more than clocks differ.",
    )
    job_poll_seconds: float = Field(
        0.5, ge=0.05, le=60, description="How often a worker looks for jobs that other processes added. A look takes 1.5 ms."
    )
    job_attempts_max: int = Field(
        60,
        ge=1,
        le=1_000,
        description="Tries before a job is dead. With pauses of up to 15 minutes they outlast a provider's outage of a night.",
    )
    job_kept_seconds: float = Field(
        604_800.0,
        ge=3_600,
        le=31_536_000,
        description="How long finished jobs are stored. In that time the same job is not added again.",
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
        """The host or the socket path of `listen`."""
        match = _LISTEN.fullmatch(self.listen)
        host = match["host"] if match else None
        return self.listen.removeprefix("unix:") if host is None else host.strip("[]")

    @property
    def listen_port(self) -> int | None:
        """The port of `listen`, 0 for a free port; None for a socket path."""
        match = _LISTEN.fullmatch(self.listen)
        return int(match["port"]) if match and match["port"] else None

    @property
    def listens_on_loopback(self) -> bool:
        """Whether only this machine can connect."""
        match = _LISTEN.fullmatch(self.listen)
        host = match["host"] if match else None
        return host is None or is_loopback(host)


def _is_listenable(listen: str) -> bool:
    match = _LISTEN.fullmatch(listen)
    return match is not None and int(match["port"] or 0) <= PORT_MAX


def load_settings() -> Settings:
    """Read the settings from the environment. Raise SettingsError with one line for each bad value."""
    try:
        settings = Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_line(dict(problem)) for problem in error.errors())) from None
    if not settings.listens_on_loopback and not settings.trust_caller_metadata:
        raise SettingsError(
            f"SEATLINE_LISTEN: {settings.listen} is open to other machines, and callers name themselves without proof; "
            "set SEATLINE_TRUST_CALLER_METADATA=true only where everybody who can connect may do anything"
        )
    problems = list(settings.notice_problems())
    if settings.notice_channel_names and settings.mongodb_uri and settings.ticket_key_file is None:
        # Each process would sign with a key of its own, and no inspector could know them all.
        problems.append("SEATLINE_TICKET_KEY_FILE: is required with SEATLINE_NOTICE_CHANNELS and a MongoDB of your own")
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def _line(error: dict[str, object]) -> str:
    """Describe a bad value in one line. A value that may contain a password is not repeated."""
    location = error["loc"]
    name = str(location[0] if isinstance(location, tuple) and location else "")
    value = "" if name == "mongodb_uri" else f" {error['input']!r}"
    return f"{ENVIRONMENT_PREFIX}{name.upper()}:{value} {error['msg']}"
