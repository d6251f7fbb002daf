"""No secret is in what the service writes down, nor in what it answers to calls that fail."""

import json
import re
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url

from providers.simulators.coinbase import keys as coinbase_keys
from providers.simulators.coinbase.world import WEBHOOK_SECRET as COINBASE_SECRET
from providers.simulators.stripe.world import WEBHOOK_SECRET as STRIPE_SECRET
from tests.clients.serve import moments
from tests.clients.table import CALLS, at, fill, key_of
from tests.system.instance import Dev, wallet
from wallet_service.embedded_postgres import Binaries

PASSWORD = "database-password-7d1f"
DOWNLOAD_SECRET = "download-secret-" + "5e" * 20
RELAY_PASSWORD = "relay-password-93ab"
TARGET_PASSWORD = "target-password-55c0"
HOOK_TOKEN = "hook-token-1b9e"
STRIPE_KEY = "sk_test_development"
ORGANIZATION = "organizations/my-org"
ACCOUNT = f"{ORGANIZATION}/billing-accounts/default"
WALLET_NAME = f"{ORGANIZATION}/wallets/default"


@pytest.fixture
def dev(tmp_path: Path, postgres_server: Any, template_database: str, postgres_binaries: Binaries) -> Iterator[Dev]:
    """An instance that writes down all it can, on a database whose URL has a password."""
    url = postgres_server.create_database(template=template_database)
    instance = Dev(
        tmp_path,
        postgres_binaries.bin_dir,
        WALLET_DATABASE_URL=make_url(url).set(password=PASSWORD).render_as_string(hide_password=False),
        WALLET_DOWNLOAD_SECRET=DOWNLOAD_SECRET,
        WALLET_NOTIFICATION_MAIL_RELAY=f"mailto://relay:{RELAY_PASSWORD}@127.0.0.1:1?from=wallet@example.com",
        WALLET_LOG_LEVEL="debug",
        WALLET_LOG_FORMAT="json",
    )
    instance.start()
    yield instance
    instance.close()
    postgres_server.drop_database(url)


class Caller:
    """Calls, and what came back: the texts of refusals, and the secrets that were shown."""

    def __init__(self, dev: Dev) -> None:
        self._dev = dev
        self.refusals: list[str] = []
        self.shown: dict[str, str] = {"wrong": "wk_test_" + secrets.token_urlsafe(32)}

    def call(self, method: str, body: Any, key: str | None) -> dict[str, Any]:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        answer = httpx.post(f"{self._dev.url}/{method}", json=body, headers=headers, timeout=30, trust_env=False)
        if answer.status_code != 200:
            self.refusals.append(answer.text)
            return {}
        return answer.json()

    def play(self, operator: str) -> None:
        """The table of clients, refusals included, as far as it goes without waiting."""
        stripe, coinbase = (re.search(rf"{name} +simulated at (\S+)", self._dev.out) for name in ("Stripe", "Coinbase"))
        assert stripe is not None
        assert coinbase is not None
        values = {
            "run": f"secrets-{secrets.token_hex(3)}",
            "operator": operator,
            "my_org": self._dev.api_key,
            "wrong": self.shown["wrong"],
            "stripe": stripe[1],
            "coinbase": coinbase[1],
            **moments(datetime.fromtimestamp(time.time(), UTC)),
        }
        for step in CALLS:
            try:
                self._step(step, values)
            except (KeyError, IndexError, TypeError):
                continue  # It builds on something that needed more time.
        named = ("admin", "editor", "viewer", "other", "client_secret", "setup_secret", "code", "second_code")
        self.shown |= {name: values[name] for name in named if name in values}
        assert {"admin", "editor", "client_secret", "code"} <= set(self.shown)

    def _step(self, step: dict[str, Any], values: dict[str, str]) -> None:
        if "post" in step:
            httpx.post(fill(step["post"], values), json=fill(step["with"], values), timeout=30)
        elif "call" in step and not step["call"].endswith("/WatchEvents"):
            answer = self.call(step["call"], fill(step["with"], values), key_of(step, values))
            for name, path in step.get("keep", {}).items():
                values[name] = str(at(answer, path))


def test_no_secret_is_written_down_or_answered(dev: Dev) -> None:
    caller = Caller(dev)
    operator = (dev.data / "dev-operator-key").read_text().strip()
    caller.play(operator)
    _give_secrets(caller, dev.api_key)
    _fail_with_secrets(caller, dev)
    # What runs beside the calls has its turn: deliveries and messages that fail.
    time.sleep(3)
    caller.call("wallet.v1.WebhookService/ListEvents", {"organizationName": ORGANIZATION}, dev.api_key)
    dev.close()
    hidden = {
        **caller.shown,
        "admin of development": dev.api_key,
        "operator of development": operator,
        "database": PASSWORD,
        "downloads": DOWNLOAD_SECRET,
        "relay": RELAY_PASSWORD,
        "target": TARGET_PASSWORD,
        "hook": HOOK_TOKEN,
        "stripe": STRIPE_KEY,
        "stripe webhook": STRIPE_SECRET,
        "coinbase": coinbase_keys.KEY_SECRET,
        "coinbase webhook": COINBASE_SECRET,
    }
    # Development tells its own key to whoever started it, on standard output.
    told = dev.out.replace(dev.api_key, "")
    assert len(dev.err.splitlines()) > 200, "the service wrote something down"
    answered = "\n".join(caller.refusals)
    assert len(caller.refusals) > 50
    found = [
        (name, place)
        for name, secret in hidden.items()
        for place, text in (("log", dev.err), ("output", told), ("answer", answered))
        if secret in text
    ]
    assert found == []


def _give_secrets(caller: Caller, key: str) -> None:
    """Things that have secrets of their own."""
    made = caller.call(
        "wallet.v1.WebhookService/CreateWebhookEndpoint",
        {"organizationName": ORGANIZATION, "url": f"http://127.0.0.1:1/{HOOK_TOKEN}?token={HOOK_TOKEN}"},
        key,
    )
    caller.shown["endpoint"] = made["secret"]
    rotated = caller.call("wallet.v1.WebhookService/RotateWebhookSecret", {"name": made["endpoint"]["name"]}, key)
    caller.shown["endpoint, rotated"] = rotated["secret"]
    caller.call("wallet.v1.WebhookService/SendTestEvent", {"name": made["endpoint"]["name"]}, key)
    targets = [
        {
            "url": f"json://user:{TARGET_PASSWORD}@127.0.0.1:1/hook",
            "eventTypes": ["api_key.created", "webhook_endpoint.test"],
        },
        {"url": "a@example.com"},
    ]
    settings = {"name": ACCOUNT, "targets": targets}
    assert caller.call("billing.v1.AccountService/UpdateNotificationSettings", settings, key), caller.refusals[-1]
    issued = caller.call(
        "billing.v1.AccountService/CreateApiKey",
        {"organizationName": ORGANIZATION, "displayName": "more", "role": "ROLE_ADMIN"},
        key,
    )
    caller.shown["more"] = issued["secret"]
    assert caller.call("billing.v1.AccountService/RevokeApiKey", {"name": issued["apiKey"]["name"]}, key)


def _fail_with_secrets(caller: Caller, dev: Dev) -> None:
    """Calls that say a secret and fail."""
    shown, url = caller.shown, dev.url
    for secret in (shown["more"], shown["wrong"], shown["more"][:-1] + "\u00e9".encode().decode("latin-1")):
        balance = httpx.post(
            f"{url}/wallet.v1.WalletService/GetWalletBalance",
            content=json.dumps({"name": secret}),
            headers=[(b"authorization", f"Bearer {secret}".encode()), (b"content-type", b"application/json")],
        )
        caller.refusals.append(balance.text)
    good = {"authorization": f"Bearer {dev.api_key}", "content-type": "application/json"}
    for body in (f'{{"name": "{shown["more"]}', f'{{"name": ["{shown["more"]}"]}}', f'"{shown["more"]}"'):
        answer = httpx.post(f"{url}/wallet.v1.WalletService/GetWalletBalance", content=body, headers=good)
        caller.refusals.append(answer.text)
    forged = {"content-type": "application/json", "stripe-signature": f"t=1,v1={STRIPE_SECRET}"}
    caller.refusals.append(httpx.post(f"{url}/webhooks/stripe", content=STRIPE_SECRET, headers=forged).text)
    caller.refusals.append(httpx.get(f"{url}/downloads/{DOWNLOAD_SECRET}/x?key={shown['more']}").text)
    redeem = {"code": shown["second_code"] + "X", "organizationName": ORGANIZATION}
    caller.call("wallet.v1.WalletService/RedeemPromotionCode", redeem, dev.api_key)
    declined = {"billingAccountName": ACCOUNT, "stripePaymentMethodId": STRIPE_KEY}
    answer = caller.call("wallet.v1.WalletService/AttachPaymentMethod", declined, dev.api_key)
    assert answer == {}


@pytest.mark.parametrize("command", [("audit",), ("migrate",), ("serve",)])
def test_a_database_that_is_away_costs_no_password(command: tuple[str, ...]) -> None:
    settings = {
        "DATABASE_URL": f"postgresql://wallet:{PASSWORD}@127.0.0.1:1/wallet",
        "WALLET_STRIPE_API_KEY": STRIPE_KEY,
        "WALLET_STRIPE_WEBHOOK_SECRET": STRIPE_SECRET,
        "WALLET_LOG_LEVEL": "debug",
        "WALLET_LISTEN": "no address",
    }
    ended = wallet(*command, **settings)
    assert ended.returncode != 0
    said = ended.stdout + ended.stderr
    assert said.strip()
    assert [s for s in (PASSWORD, STRIPE_KEY, STRIPE_SECRET) if s in said] == []


def test_a_setting_that_is_wrong_is_named_and_not_shown() -> None:
    ended = wallet("audit", DATABASE_URL=f"nonsense:{PASSWORD}@x", WALLET_DATABASE_POOL_SIZE="0")
    assert ended.returncode != 0
    assert PASSWORD not in ended.stdout + ended.stderr
