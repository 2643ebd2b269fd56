"""Every setting of every part, read once from `CRYPTOVIZ_*` variables or `.env` and passed down."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cryptoviz.errors import UserError
from cryptoviz.messages import LONGEST_INTERVAL_S
from cryptoviz.settings_security import check_kafka, check_readable

HOUR_S = 3600
DAY_S = 86400
Names = Annotated[tuple[str, ...], NoDecode]
Hours = Annotated[tuple[int, ...], NoDecode]


class SourceSettings(BaseSettings):
    """What can be set per source, from `CRYPTOVIZ_<SOURCE>_*`; None means the source's own default."""

    model_config = SettingsConfigDict(frozen=True, env_file=".env", extra="ignore", env_ignore_empty=True)

    url: str | None = Field(None, description="Base address of the source's API")
    api_key: SecretStr | None = Field(None, description="API key, where the source takes one")
    interval_seconds: float | None = Field(None, gt=0, le=LONGEST_INTERVAL_S, description="Seconds between two polls")
    requests_per_minute: float | None = Field(None, gt=0, description="Rate budget; never exceeded, also by retries")


class Settings(BaseSettings):
    """All settings; the description of each field is what `.env.example` says of it."""

    model_config = SettingsConfigDict(
        env_prefix="CRYPTOVIZ_", env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    # Where things are
    home: Path = Field(Path(".cryptoviz"), description="Folder of the embedded stack's data and logs")
    kafka: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers")
    kafka_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext", description="How Kafka is spoken to: plaintext, ssl, sasl_plaintext or sasl_ssl"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How Kafka is logged in to: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    kafka_sasl_username: str = Field("", description="Kafka user, for sasl_plaintext and sasl_ssl")
    kafka_sasl_password: SecretStr = Field(SecretStr(""), description="Its password")
    kafka_ca: Path | None = Field(
        None, description="File (PEM) with the authority that signed Kafka's certificate; empty: those of the machine"
    )
    kafka_certificate: Path | None = Field(None, description="File (PEM) with our own certificate, where Kafka asks")
    kafka_key: Path | None = Field(None, description="File (PEM) with its key, without a pass phrase")
    clickhouse_url: str = Field("http://127.0.0.1:8123", description="ClickHouse address, http:// or https://")
    clickhouse_ca: Path | None = Field(
        None, description="File (PEM) with the authority that signed ClickHouse's; empty: those known by default"
    )
    clickhouse_user: str = Field("cryptoviz", description="ClickHouse user that writes")
    clickhouse_password: SecretStr = Field(SecretStr(""), description="Its password; the embedded stack makes its own")
    clickhouse_grafana_password: SecretStr = Field(
        SecretStr(""), description="Password `cryptoviz migrate` gives the reader grafana on a ClickHouse server"
    )
    clickhouse_analyst_password: SecretStr = Field(
        SecretStr(""), description="Password `cryptoviz migrate` gives the reader analyst on a ClickHouse server"
    )
    clickhouse_database: str = Field("crypto", pattern=r"^[a-z_][a-z0-9_]*$", description="ClickHouse database")

    # Ports of the embedded stack, all on `host`; Kafka, which has no passwords, stays on loopback
    host: str = Field("127.0.0.1", description="Address the embedded stack's servers bind to, all but Kafka")
    kafka_port: int = Field(9092, description="Embedded Kafka broker")
    kafka_controller_port: int = Field(9093, description="Embedded Kafka controller")
    clickhouse_port: int = Field(8123, description="Embedded ClickHouse endpoint")
    grafana_port: int = Field(3000, description="Grafana, where a binary is found")
    health_port: int = Field(8000, description="Health and metrics of all parts; parts use the ports after it")
    market_port: int = Field(8100, description="Demo market")

    # What is collected
    assets: Names = Field((), description="Tickers to follow, comma separated; empty means all of the registry")
    sources: Names = Field((), description="Sources to poll, comma separated; empty means all")
    partitions: int = Field(4, ge=1, le=256, description="Partitions of every topic; fixed for the life of a home")
    backfill_hours: int = Field(72, ge=0, le=72, description="History fetched at start, at most; 0 switches it off")
    heartbeat_seconds: float = Field(5, gt=0, description="Seconds between two heartbeats of a source")
    producer_buffer_messages: int = Field(
        20_000, ge=100, description="Messages held while Kafka is away; then polling stops"
    )
    request_timeout_seconds: float = Field(10, gt=0, description="Time limit of one HTTP request")

    # Time, bars, forecasts
    bar_seconds: int = Field(60, ge=1, description="Length of a bar; divides 3600; fixed for the life of a home")
    grace_seconds: int = Field(10, ge=0, description="How long after its end a bar waits for late quotes")
    forecast_seconds: int = Field(300, ge=1, description="Time between two forecasts; a multiple of the bar")
    history_hours: int = Field(24, ge=1, le=72, description="History a forecast looks at")
    horizon_hours: Hours = Field((1, 4, 24), description="Horizons of the forecasts, in hours, comma separated")
    max_gap_seconds: int = Field(1800, ge=0, description="Longest silence bridged by filled bars")
    stale_seconds: int = Field(
        600,
        ge=1,
        description="Age of a source's own stamp beyond which it leaves `all`; silence that makes signals HOLD",
    )
    divergence_percent: float = Field(
        2.0, gt=0, description="Distance from the other sources beyond which a source does not count for `all`"
    )
    short_window: int = Field(20, ge=5, le=30, description="Points of the short moving average")
    long_window: int = Field(50, ge=20, le=100, description="Points of the long moving average")
    momentum_window: int = Field(14, ge=5, le=30, description="Points momentum looks back")
    models: Names = Field(
        (),
        description="Models that run, comma separated; empty means all. Members of the consensus always run: "
        "ma_short, ma_long, trend, momentum",
    )
    signal_variation_percent: float = Field(2.0, ge=0, description="Variation beyond which a signal is BUY or SELL")
    signal_confidence_percent: float = Field(60.0, ge=0, le=100, description="Mean confidence a BUY or SELL needs")
    fee_percent: float = Field(0.1, ge=0, le=100, description="Fee of opening or closing a trade in `paper_results`")

    # Models refitted in a process of their own, where the extra `forecast` is installed
    batch_seconds: int = Field(3600, ge=60, description="Time between two fits of the batch models")
    batch_sources: Names = Field(("all",), description="Sources whose series the batch models forecast")
    batch_history_hours: int = Field(72, ge=12, le=720, description="History the batch models are fitted to")
    batch_fit_seconds: float = Field(120, gt=0, description="Time limit of one fit of one series")

    # Processes
    workers: int = Field(1, ge=1, le=64, description="Faust workers the embedded stack starts")
    worker_id: str = Field(
        "", pattern=r"^[a-zA-Z0-9_.-]*$", description="Stable name of this worker in its group; empty: the host's name"
    )
    worker_port: int = Field(8001, description="Web port of this worker")
    sink_quotes_seconds: float = Field(0.2, gt=0, description="Longest wait of a quote in the sink")
    sink_rows_seconds: float = Field(1.0, gt=0, description="Longest wait of any other row in the sink")
    sink_history_seconds: float = Field(3.0, gt=0, description="Longest wait of a row that was history when filed")
    sink_batch_rows: int = Field(50_000, ge=1, description="Rows after which the sink inserts at once")
    sink_port: int = Field(8020, description="Metrics port of the sink")
    producer_port: int = Field(8010, description="Metrics port of the producer")
    forecaster_port: int = Field(8030, description="Metrics port of the process that fits the batch models")
    monitor_port: int = Field(8040, description="Metrics port of the monitor")
    monitor_seconds: float = Field(15, ge=1, description="Seconds between two samples of how the pipeline is doing")
    monitor_targets: Names = Field(
        (),
        description="Parts whose metrics the monitor reads, comma separated, like worker=http://worker:8001; "
        "empty means those on this machine",
    )
    log_level: str = Field("info", pattern=r"(?i)^(debug|info|warning|error)$", description="Level of the logs")
    log_format: str = Field("text", pattern=r"^(text|json)$", description="Format of the logs: text, or json for tools")

    # Alerts, which Grafana raises
    alert_webhook: SecretStr = Field(
        SecretStr(""), description="Address that alerts are posted to as JSON; empty: they are shown in Grafana alone"
    )
    alert_webhook_token: SecretStr = Field(
        SecretStr(""), description="Sent along as `Authorization: Bearer ...`; the address is seen in Grafana, this not"
    )
    alert_price_move_percent: float = Field(5.0, gt=0, description="Change of a price within an hour that is told")
    alert_divergence_percent: float = Field(2.0, gt=0, description="Distance of a source from the others that is told")
    alert_signal_hours: Hours = Field(
        (1, 4), description="Horizons whose changes of signal are told, in hours, comma separated; 0: none"
    )
    alert_lag_messages: int = Field(1000, ge=1, description="Messages a consumer may be behind while that grows")
    alert_dead_letters: int = Field(10, ge=0, description="Dead letters of a kind that are let pass in ten minutes")

    # How long things are kept
    raw_retention_hours: int = Field(72, ge=1, description="Kafka: quotes.raw and quotes.normalized")
    result_retention_hours: int = Field(
        168, ge=73, description="Kafka: bars and other results; a restart reads 72 h of bars"
    )
    dead_retention_hours: int = Field(336, ge=1, description="Kafka: dead letters")
    raw_retention_megabytes: int = Field(
        8192, ge=256, description="Kafka: quotes.raw and quotes.normalized, each at most so much; the oldest go first"
    )
    result_retention_megabytes: int = Field(4096, ge=256, description="Kafka: each topic of results at most")
    dead_retention_megabytes: int = Field(1024, ge=64, description="Kafka: each topic of dead letters at most")
    quotes_ttl_days: int = Field(90, ge=1, description="ClickHouse: quotes, counted from the insert")
    results_ttl_days: int = Field(730, ge=1, description="ClickHouse: bars, statistics, forecasts, signals")
    ledger_ttl_days: int = Field(90, ge=1, description="ClickHouse: dead letters and source health")
    metrics_ttl_days: int = Field(14, ge=1, description="ClickHouse: samples of how the pipeline is doing")
    server_logs_ttl_days: int = Field(7, ge=1, description="ClickHouse on Docker: the server's logs of itself")

    @field_validator("assets", "sources", "models", "batch_sources", "monitor_targets", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("horizon_hours", "alert_signal_hours", mode="before")
    @classmethod
    def _split_hours(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("alert_webhook")
    @classmethod
    def _is_an_address(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not value.get_secret_value().startswith(("http://", "https://")):
            raise ValueError("an address that begins with http:// or https://")
        return value

    @model_validator(mode="after")
    def _security_is_whole(self) -> Self:
        login = {
            "kafka_sasl_username": self.kafka_sasl_username,
            "kafka_sasl_password": self.kafka_sasl_password.get_secret_value(),
        }
        files = {"kafka_ca": self.kafka_ca, "kafka_certificate": self.kafka_certificate, "kafka_key": self.kafka_key}
        given = [name for name, value in (login | files).items() if value]
        check_kafka(self.kafka_security, "kafka_security" in self.model_fields_set, given)
        if self.kafka_is_encrypted:
            check_readable(files)
        if self.clickhouse_url.startswith("https://"):
            check_readable({"clickhouse_ca": self.clickhouse_ca})
        return self

    @property
    def kafka_is_encrypted(self) -> bool:
        """Whether connections to Kafka are TLS."""
        return self.kafka_security in {"ssl", "sasl_ssl"}

    @property
    def kafka_logs_in(self) -> bool:
        """Whether Kafka is told a user and a password."""
        return self.kafka_security in {"sasl_plaintext", "sasl_ssl"}

    @model_validator(mode="after")
    def _times_fit_together(self) -> Self:
        if HOUR_S % self.bar_seconds:
            raise ValueError(f"bar_seconds={self.bar_seconds} must divide 3600, for example 60 or 300")
        if self.forecast_seconds % self.bar_seconds:
            raise ValueError(f"forecast_seconds must be a multiple of bar_seconds={self.bar_seconds}")
        if not self.horizon_hours or any(not 1 <= hours <= 24 * 7 for hours in self.horizon_hours):
            raise ValueError("horizon_hours must list whole hours from 1 to 168, for example 1,4,24")
        # A restart reads what is still to be scored and the closes it was forecast from, 4 h and a bar more.
        if self.result_retention_hours < (least := max(self.horizon_hours) + 6):
            raise ValueError(f"result_retention_hours must be at least {least}, 6 more than the longest horizon_hours")
        return self

    @property
    def worker_name(self) -> str:
        """The name a worker goes by: its id, else that of its host (a container's own, where workers are scaled)."""
        return self.worker_id or socket.gethostname()

    @property
    def horizons_s(self) -> tuple[int, ...]:
        """Horizons in seconds, ascending."""
        return tuple(sorted({hours * HOUR_S for hours in self.horizon_hours}))


def load_settings(**overrides: object) -> Settings:
    """Read the settings; a wrong one is a `UserError` naming the variable and what it may be."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise UserError(_explain(error, "CRYPTOVIZ_")) from error


def load_source_settings(source: str) -> SourceSettings:
    """Read one source's settings from `CRYPTOVIZ_<SOURCE>_*`."""
    prefix = f"CRYPTOVIZ_{source.upper()}_"
    try:
        return SourceSettings(_env_prefix=prefix)  # type: ignore[call-arg]
    except ValidationError as error:
        raise UserError(_explain(error, prefix)) from error


def _explain(error: ValidationError, prefix: str) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        where = "_".join(str(part) for part in problem["loc"]).upper()
        lines.append(f"{prefix}{where}: {problem['msg']}" if where else problem["msg"].removeprefix("Value error, "))
    return "wrong setting: " + "; ".join(lines)
