"""`wallet dev`: everything on one machine, seeded and usable."""

import os
import shlex
import sys
import time
from pathlib import Path

from wallet_service.catalog.files import read_catalog
from wallet_service.cli.serve import stop_signals
from wallet_service.cli.session import run
from wallet_service.config import Settings
from wallet_service.development import API_KEY_FILE, OPERATOR_KEY_FILE, Instance, running
from wallet_service.logs import configure_logging

SAMPLE_CATALOG = Path(__file__).parents[2] / "examples" / "catalog.yaml"


def dev() -> None:
    """Start database, worker, provider simulator and API, with an organization to play with."""
    settings = Settings()
    # Told apart from a chosen format: a person reads along, unless a log format was asked for.
    chosen = "WALLET_LOG_FORMAT" in os.environ
    settings = settings.model_copy(update={"log_format": settings.log_format if chosen else "console"})
    configure_logging(format=settings.log_format, level=settings.log_level)
    started = time.monotonic()

    async def main() -> None:
        async with running(settings, read_catalog(SAMPLE_CATALOG)) as instance:
            stop = stop_signals()
            print(_welcome(instance, time.monotonic() - started), flush=True)
            await stop.wait()
            print("stopping", flush=True)

    run(main())


def _welcome(instance: Instance, seconds: float) -> str:
    url, folder = instance.url, instance.settings.data_dir
    key_file = shlex.quote(str(folder / API_KEY_FILE))
    header = f'-H "Authorization: Bearer $(cat {key_file})"'
    wallet = '{"name": "organizations/my-org/wallets/default"}'
    top_up = '{"wallet_name": "organizations/my-org/wallets/default", "amount_minor": 5000}'
    usage = (
        '{"project_name": "projects/my-app", "meter": "compute.vm.vcpu_hours", "quantity": "1.5",'
        ' "idempotency_key": "first"}'
    )
    method = f"{url}/wallet.v1.WalletService"
    return f"""
wallet is ready at {url} ({seconds:.1f} s)

  API key       {instance.api_key}   (also in {folder / API_KEY_FILE}; operator's: {folder / OPERATOR_KEY_FILE})
  Organization  my-org, wallet organizations/my-org/wallets/default, project projects/my-app
  Stripe        simulated at {instance.stripe_url}
  Coinbase      simulated at {instance.coinbase_url}
  Metrics       {url}/metrics

Try, in another terminal in this folder:

  {_buf()} curl --protocol grpc --http2-prior-knowledge {header} -d '{wallet}' {method}/GetWalletBalance
  curl -s {header} -H 'Content-Type: application/json' -d '{top_up}' {method}/CreateStripeTopUpIntent
  curl -s {header} -H 'Content-Type: application/json' -d '{usage}' {url}/billing.v1.UsageService/RecordUsageEvent

The answer of the top-up has a client secret: pay it at
{instance.stripe_url}/_sim/pay?client_secret=<client secret> with a test card.
A top-up in USDC (CreateCoinbaseTopUpCheckout) is paid at the hosted_url of its answer.
Ctrl-C stops everything; the data stays in {folder}.
"""


def _buf() -> str:
    """How to call buf: it comes with the development requirements, beside this Python."""
    beside = Path(sys.executable).parent / "buf"
    if not beside.is_file():
        return "buf"
    here = Path.cwd()
    return shlex.quote(str(beside.relative_to(here) if beside.is_relative_to(here) else beside))
