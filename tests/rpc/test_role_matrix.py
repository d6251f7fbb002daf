"""Every RPC by every role for its own, another and no organization, over the whole service with rows of both.

What each cell has to answer comes from `role_table`, which knows nothing of the policy; the methods come from the
descriptors, so a method that is not in the table fails. No answer shows anything of the other organization.
"""

import itertools
import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast
from uuid import UUID

import pytest
from connectrpc.errors import ConnectError
from wallet_api.wallet.v1.webhook_service_connect import WebhookServiceClient
from wallet_api.wallet.v1.webhook_service_pb import WatchEventsRequest

from providers.simulators.stripe.server import running as simulating
from providers.simulators.stripe.world import Settings as Simulation
from tests.operations.usage_scene import CATALOG
from tests.rpc.accounts_app import reason
from tests.rpc.role_table import ADMIN, EDITOR, OK, OPERATOR, PUBLIC, TABLE, VIEWER, Row
from tests.rpc.service_app import START, Api, running
from tests.rpc.test_policy import OURS
from wallet_service.clock import ManualClock
from wallet_service.principal import Role
from wallet_service.rpc.composition import RpcOptions
from wallet_service.rpc.rate_limits import Rate, RateLimits, TokenBuckets

PATIENT: Final = Rate(1_000_000, 1_000_000)
RANKS: Final = {PUBLIC: 0, VIEWER: 1, EDITOR: 2, ADMIN: 3, OPERATOR: 4}
CALLERS: Final = ("no key", "revoked", VIEWER, EDITOR, ADMIN, OPERATOR)
PLACES: Final = ("own", "other", "no organization")
LOG: Final = "billing.v1.AccountService/ListAuditEvents"
WATCH: Final = "wallet.v1.WebhookService/WatchEvents"
MARKER: Final = "zanzibar"

Json = dict[str, Any]


@dataclass
class Matrix:
    """The service, keys by caller, and the rows of both organizations by placeholder."""

    api: Api
    keys: Mapping[str, str]
    rows: Mapping[str, Mapping[str, Any]]
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def request(self, row: Row, place: str) -> Json:
        """A request of the row about an organization; without its owner for `no organization`."""
        values = dict(self.rows["other" if place == "other" else "own"])
        values["n"] = next(self.numbers)
        endpoints: list[str] = values.pop("fresh_endpoints")
        fields = {key: value for key, value in row.request.items() if place != "no organization" or key != row.owner}
        if "{fresh_endpoint}" in fields.values():
            values["fresh_endpoint"] = endpoints.pop()
        return filled(fields, values)

    async def call(self, method: str, request: Json, caller: str) -> tuple[str, str]:
        """`ok` or the reason of the refusal, and all that was answered."""
        headers = {"content-type": "application/json"}
        if caller != "no key":
            headers |= self.api.headers(self.keys[caller])
        if method == WATCH:
            return await self._watch(request, headers)
        answer = await self.api.http.post(
            f"http://test/{method}", headers=headers, content=json.dumps(request).encode()
        )
        body: Json = json.loads(answer.content)
        if answer.status == 200:
            return OK, json.dumps(body)
        details = [each["debug"] for each in body["details"] if each["type"].endswith("ErrorInfo")]
        return details[0]["reason"], json.dumps(body)

    async def _watch(self, request: Json, headers: dict[str, str]) -> tuple[str, str]:
        client = WebhookServiceClient("http://test", http_client=self.api.http)
        message = WatchEventsRequest.from_json(json.dumps(request))
        try:
            async for answer in client.watch_events(
                message, headers={"authorization": headers.get("authorization", "")}
            ):
                return OK, json.dumps(json.loads(answer.to_json()))
        except ConnectError as error:
            return reason(error), error.message
        raise AssertionError("a stream does not end by itself")


def filled(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: filled(each, values) for key, each in cast("Json", value).items()}
    if isinstance(value, list):
        return [filled(each, values) for each in cast("list[Any]", value)]
    return value.format(**values) if isinstance(value, str) else value


def expected(row: Row, caller: str, place: str) -> str:
    """What the cell answers."""
    if row.least == PUBLIC:
        return row.answer
    if caller in ("no key", "revoked"):
        return "UNAUTHENTICATED"
    is_low = RANKS[caller] < RANKS[row.least]
    is_operator = caller == OPERATOR
    if place == "other" and not is_operator:
        return "ROLE_TOO_LOW" if row.is_blind and is_low else row.foreign
    if place == "no organization" and row.owner:
        if row.unnamed == "INVALID_FIELD":
            return row.unnamed
        return row.operators if is_operator else "ROLE_TOO_LOW"
    return "ROLE_TOO_LOW" if is_low else row.answer


@pytest.fixture
async def matrix(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Matrix]:
    async with matrix_on(database_url, monkeypatch, tmp_path) as made:
        yield made


@asynccontextmanager
async def matrix_on(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncGenerator[Matrix]:
    """The whole service, with rows of my-org and of other-org."""
    settings = Simulation(webhook_url="http://127.0.0.1:9/webhooks/stripe", webhook_secret="whsec_matrix")
    async with simulating(settings, clock=ManualClock(START).now) as stripe:
        monkeypatch.setenv("WALLET_STRIPE_API_BASE", stripe.url)
        monkeypatch.setenv("WALLET_STRIPE_API_KEY", "sk_test_matrix")
        monkeypatch.setenv("WALLET_WEBHOOK_LOOPBACK_ALLOWED", "true")
        monkeypatch.setenv("WALLET_DATA_DIR", str(tmp_path))
        limits = RateLimits(TokenBuckets(PATIENT), TokenBuckets(PATIENT))
        async with running(database_url, RpcOptions(rate_limits=limits)) as api:
            service = api.service
            await service.catalog.apply(CATALOG)
            own = await service.directory.resolve_organization("my-org")
            other = await service.directory.resolve_organization("other-org")
            assert own is not None
            assert other is not None
            await service.projects.create(other, slug="other-app", display_name=MARKER, request_id="")
            revoked = await service.api_keys.issue(org_id=own, role=Role.ADMIN, display_name="revoked")
            keys = {role.name.lower(): secret for role, secret in api.keys.items()} | {"revoked": revoked.secret}
            made = Matrix(api, keys, {})
            await call_ok(
                made,
                "billing.v1.AccountService/RevokeApiKey",
                name=f"organizations/my-org/api-keys/{revoked.key.key_id}",
            )
            made.rows = {
                "own": await rows_of(made, own, "my-org", "my-app", "mine"),
                "other": await rows_of(made, other, "other-org", "other-app", MARKER),
            }
            await shared_rows(made)
            yield made


async def call_ok(matrix: Matrix, method: str, **request: Any) -> Json:
    """An operator's call that works."""
    answer, body = await matrix.call(method, request, OPERATOR)
    assert answer == OK, body
    return json.loads(body)


async def shared_rows(matrix: Matrix) -> None:
    """What belongs to no organization."""
    terms = {"displayName": "Spring", "discountPct": 20, "discountDuration": "2592000s", "appliesToUsage": True}
    await call_ok(matrix, "billing.v1.PromotionService/CreateCampaign", campaignId="spring", campaign=terms)
    for clock in ("later", "spare"):
        await call_ok(
            matrix, "billing.v1.TestClockService/CreateTestClock", testClockId=clock, now="2026-03-02T12:00:00Z"
        )


async def rows_of(matrix: Matrix, org_id: UUID, slug: str, project: str, marker: str) -> Mapping[str, Any]:
    """At least one row of everything that an organization can have, by placeholder."""
    org, service = f"organizations/{slug}", matrix.api.service
    wallet, ledger = f"{org}/wallets/default", "billing.v1.LedgerService"

    async def hold(key: str) -> str:
        made = await call_ok(matrix, f"{ledger}/CreateHold", walletName=wallet, amountMinor="100", requestId=key)
        return made["hold"]["name"]

    async def endpoint() -> str:
        made = await call_ok(
            matrix,
            "wallet.v1.WebhookService/CreateWebhookEndpoint",
            organizationName=org,
            url="http://127.0.0.1:9/hook",
            description=marker,
        )
        return made["endpoint"]["name"]

    deposit = await call_ok(
        matrix, f"{ledger}/Deposit", walletName=wallet, amountMinor="50000", description=marker, requestId="deposit"
    )
    await call_ok(
        matrix,
        "billing.v1.AccountService/UpdateBillingAccount",
        name=f"{org}/billing-accounts/default",
        displayName=marker,
    )
    card, spare_card = [
        (
            await service.payment_methods.attach(
                org_id, provider_method_id=token, payment_method_id=None, make_default=False
            )
        ).payment_method_id
        for token in ("pm_card_visa", "pm_card_mastercard")
    ]
    started = await call_ok(
        matrix, "wallet.v1.CreditService/CreateTopUp", organizationName=org, amount=1000, idempotencyKey="first"
    )
    top_up = started["paymentIntentId"]
    await service.topup_sync.sync(org_id, UUID(top_up.rpartition("/")[2]))
    invoices = await call_ok(
        matrix,
        "wallet.v1.WalletService/ListInvoices",
        billingAccountName=f"{org}/billing-accounts/default",
        type="manual",
    )
    used = await call_ok(
        matrix,
        "billing.v1.UsageService/RecordUsageEvent",
        projectName=f"projects/{project}",
        meter="compute.gpu.h100.runtime_hours",
        quantity="1",
        idempotencyKey="first",
        resourceName=marker,
    )
    keys = [await service.api_keys.issue(org_id=org_id, role=Role.VIEWER, display_name=marker) for _ in range(2)]
    events = await call_ok(matrix, "wallet.v1.WebhookService/ListEvents", organizationName=org)
    return {
        "org": org,
        "marker": marker,
        "project": f"projects/{project}",
        "card": card,
        "spare_card": spare_card,
        "top_up": top_up,
        "invoice": invoices["invoices"][0]["name"],
        "entry": deposit["journalEntry"]["name"],
        "hold": await hold("hold"),
        "spare_hold": await hold("spare"),
        "endpoint": await endpoint(),
        "fresh_endpoints": [await endpoint() for _ in CALLERS],
        "event": events["events"][0]["name"],
        "key": keys[0].key.key_id,
        "spare_key": keys[1].key.key_id,
        "usage_event": used["usageEventId"],
    }


def test_the_table_knows_every_method_and_no_other():
    published = {f"{s.desc().type_name}/{m.name}" for s in OURS for m in s.desc().methods}
    assert set(TABLE) == published


async def test_every_rpc_by_every_role_in_every_place(matrix: Matrix):
    theirs = {str(value) for key, value in matrix.rows["other"].items() if key != "fresh_endpoints"} | {MARKER}
    wrong: list[str] = []
    seen: Counter[str] = Counter()
    # The log first: later it names what my-org's own keys have asked for in vain.
    for method, row in sorted(TABLE.items(), key=lambda item: item[0] != LOG):
        for caller, place in itertools.product(CALLERS, PLACES):
            if not row.owner and place != "no organization":
                continue
            request = matrix.request(row, place)
            answer, body = await matrix.call(method, request, caller)
            seen[answer] += 1
            wanted = expected(row, caller, place)
            if answer != wanted:
                wrong.append(f"{method} as {caller} for {place}: {answer}, not {wanted}: {body[:90]}")
            sent = json.dumps(request)
            shown = [] if caller == OPERATOR else [text for text in theirs if text in body and text not in sent]
            if shown:
                wrong.append(f"{method} as {caller} for {place} shows {shown}")
    assert wrong == [], "\n".join(wrong)
    assert seen.total() > 1500
    assert {OK, "UNAUTHENTICATED", "ROLE_TOO_LOW", "RESOURCE_NOT_FOUND", "INVALID_FIELD"} <= set(seen)
    assert (await matrix.api.service.audit.verify(None)).ok
