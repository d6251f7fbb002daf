"""Settings, read once at the composition root from the environment (`WALLET_*`, `DATABASE_URL`).

Every limit of the service stands here with its default. Nothing else reads the environment.
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """All settings; durations in seconds, sizes in bytes, money in minor units."""

    model_config = SettingsConfigDict(env_prefix="WALLET_", frozen=True, extra="ignore")

    environment: Literal["dev", "test", "live"] = "live"
    """`dev` starts simulators, seeds an organization and shortens the reconciler; API keys are `wk_live_` only in `live`."""

    test_clocks_in_live: bool = False
    """Whether an operator may make and advance test clocks where `environment` is `live`."""

    # Serving
    listen: str = "127.0.0.1:8080"
    server: Literal["pyvoy", "hypercorn"] = "pyvoy"
    workers: int = Field(default=1, ge=1, le=64)
    """API processes that share the port, each with `database_pool_size` connections and limits of its own; pyvoy only."""
    public_url: str | None = None
    """Base URL in links we hand out; unset means http(s)://<listen>."""
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    cors_origins: tuple[str, ...] = ()
    request_bytes_max: int = 4 * 1024 * 1024
    calls_in_flight_max: int = Field(default=512, ge=8, le=20_000)
    """Calls that a process serves at once; what comes on top is refused as OVERLOADED. A fourth of these may be calls that
    wait for others. Health, metrics and streams do not count."""
    key_calls_per_second: int = Field(default=20_000, ge=1)
    """Calls of one key that a process answers, on average; twice as many at once."""
    key_failures_per_second: int = Field(default=10, ge=1)
    """Calls without a valid key that a process answers as such to one address, on average; ten times as many at once."""
    deadline_seconds: int = Field(default=30, ge=1, le=600)
    drain_seconds: int = Field(default=15, ge=0, le=600)
    log_format: Literal["console", "json"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    traces_endpoint: str | None = None
    """OTLP over HTTP, for example http://127.0.0.1:4318/v1/traces; unset makes no spans."""

    # Database
    data_dir: Path = Path("data")
    database_url: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("WALLET_DATABASE_URL", "DATABASE_URL"),
    )
    """PostgreSQL URL; unset runs the embedded server below `data_dir`."""
    postgres_bin_dir: Path | None = None
    database_pool_size: int = Field(default=16, ge=4, le=200)
    """Connections of a process. The lane of the ledger keeps two of them for itself."""
    statement_timeout_seconds: int = Field(default=20, ge=1, le=600)

    # Files
    files_url: str | None = None
    """Bucket of exports and statements: `s3://`, `gs://` or `az://`; unset means the folder `files` below `data_dir`."""
    download_secret: SecretStr | None = None
    """Signs download links; unset makes one and keeps it in `data_dir`. Services on several machines need the same."""

    # Exports
    export_rows_max: int = Field(default=10_000_000, ge=1, le=2_000_000_000)
    """Rows of one file at most."""
    export_kept_hours: int = Field(default=24, ge=1)
    """How long a file can be fetched; its link works for one hour."""
    export_concurrency: int = Field(default=2, ge=1, le=16)
    """Files that a process writes at a time; each holds a connection. More than that wait."""
    focus_provider_name: str | None = None
    """ProviderName in FOCUS files; unset means `issuer_name`."""
    focus_publisher_name: str | None = None
    """PublisherName in FOCUS files; unset means the provider."""

    # Statements
    issuer_name: str = Field(default="Wallet Service", min_length=1, max_length=100)
    """Who issues statements and receipts, as printed on them."""
    statement_paper: Literal["a4", "letter"] = "a4"
    """Paper of PDFs for which the caller asks for none."""

    # Ledger
    ledger_lanes: int = Field(default=1, ge=1, le=64)
    ledger_batch_max: int = Field(default=1000, ge=1, le=10_000)
    ledger_queue_max: int = Field(default=20_000, ge=1)

    # Usage
    usage_age_max_days: int = Field(default=35, ge=1)
    """Default of an organization; older events are refused unless an operator imports them."""
    usage_ahead_max_seconds: int = Field(default=300, ge=0)
    usage_events_kept_months: int | None = Field(default=None, ge=3)
    """Whole months before this one whose single events, with their keys, are kept; sums stay. Unset keeps them for ever."""
    egress_free_gib: int = Field(default=0, ge=0)
    """Free Data Transfer of a project and month, as QueryUsage shows it. Rating bills every GiB, so 0 is true."""

    # Stripe
    stripe_api_key: SecretStr | None = None
    stripe_api_base: str | None = None
    """Unset means Stripe itself; dev mode points it at the simulator."""
    stripe_webhook_secret: SecretStr | None = None
    stripe_timeout_seconds: int = Field(default=20, ge=1, le=80)
    stripe_simulator_port: int = Field(default=8081, ge=0, le=65535)
    """Loopback port of the simulator in development; 0 takes a free one."""

    # Coinbase
    coinbase_api_key_name: str | None = None
    """Unset means that the service takes no payments in USDC."""
    coinbase_private_key: SecretStr | None = None
    """The key's secret as the developer portal hands it out: base64 of an Ed25519 key, or PEM."""
    coinbase_api_base: str | None = None
    """Unset means Coinbase itself; dev mode points it at the simulator."""
    coinbase_webhook_secret: SecretStr | None = None
    coinbase_timeout_seconds: int = Field(default=25, ge=1, le=80)
    coinbase_success_url: str | None = None
    """https address to which a payer returns after paying; proves nothing."""
    coinbase_fail_url: str | None = None
    coinbase_simulator_port: int = Field(default=8082, ge=0, le=65535)
    """Loopback port of its simulator in development; 0 takes a free one."""

    # Webhooks of customers
    webhook_loopback_allowed: bool = False
    """Lets endpoints be on this machine, by http too, for development and tests; never so in `live`."""

    # Top-ups
    topup_amount_max_minor: int = Field(default=100_000_000, ge=1)
    recharge_daily_charges: int = Field(default=5, ge=1, le=1000)
    """Charges in 24 hours that the daily cap of an automatic recharge allows where the customer names none."""
    recharge_monthly_charges: int = Field(default=30, ge=1, le=10_000)
    """The same for 31 days."""
    recharge_cooldown_seconds: int = Field(default=300, ge=0, le=86_400)
    """Least time from one automatic recharge to the next where the customer names none."""
    reconcile_after_seconds: int = Field(default=300, ge=1)
    """Age at which a PENDING top-up is asked for at the provider."""

    # Suspension
    suspension_warn_hours: tuple[int, ...] = (72, 24, 1)
    """Hours before the foreseen end of a balance at which an account is warned, where its policy names none."""
    suspension_grace_hours: int = Field(default=24, ge=0, le=8760)
    """Hours from the end of the balance to the suspension, likewise."""
    suspension_enabled: bool = True
    """Whether the end of the balance suspends at all, likewise."""

    # Messages to people
    notification_mail_relay: SecretStr | None = None
    """The SMTP server for email, as an Apprise URL without recipient: mailtos://user:password@smtp.example.com?from=..."""

    @property
    def required_database_url(self) -> str:
        """The database URL. Raises ValueError where neither a setting nor the embedded server has given one."""
        if self.database_url is None:
            raise ValueError("no database URL")
        return self.database_url.get_secret_value()

    @property
    def usage_age_max(self) -> timedelta:
        return timedelta(days=self.usage_age_max_days)

    @property
    def base_url(self) -> str:
        if self.public_url:
            return self.public_url.rstrip("/")
        return f"{'https' if self.tls_cert_file else 'http'}://{self.listen}"


def child_environment(settings: Settings) -> dict[str, str]:
    """The environment in which a child process reads the same settings, secrets included."""
    environment: dict[str, str] = {}
    for name in Settings.model_fields:
        value: object = getattr(settings, name)
        if value is None:
            continue
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        text = json.dumps(value) if isinstance(value, tuple) else str(value)
        environment[f"WALLET_{name.upper()}"] = text
    return environment
