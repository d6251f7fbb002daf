"""The audit log over the whole service: what is in it, who may see it, and that nobody can change it unseen."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from protobuf import DescFieldValueList, DescFieldValueMap, DescMessage, ScalarType
from protobuf.wkt import Timestamp
from protobuf.wkt.google.protobuf.descriptor_pb import MethodOptions
from sqlalchemy import event, text
from wallet_api.billing.v1 import account_pb as pb
from wallet_api.billing.v1 import account_service_pb as rpc
from wallet_api.billing.v1 import ledger_service_pb as ledger_rpc
from wallet_api.billing.v1.account_service_connect import AccountServiceClient
from wallet_api.wallet.v1.spending_pb import SetSpendingLimitRequest
from wallet_api.wallet.v1.wallet_service_pb import ConfigureWalletAlertsRequest, GetWalletRequest

from ledger.invariants import Violation
from tests.rpc.service_app import START, Api, running
from tests.rpc.test_policy import OURS
from wallet_service.audit_log import laws
from wallet_service.audit_log.rules import SHOWN
from wallet_service.db import engine_for
from wallet_service.principal import Role
from wallet_service.rpc.auditing import COUNTED

ORG = "organizations/my-org"
WALLET = f"{ORG}/wallets/default"
ACCOUNT = f"{ORG}/billing-accounts/default"
APPLIED, REFUSED = pb.AuditOutcome.APPLIED, pb.AuditOutcome.REFUSED


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running(database_url) as made:
        yield made


def account(api: Api) -> AccountServiceClient:
    return AccountServiceClient("http://test", http_client=api.http)


async def listed(
    api: Api, *, key: Role | str = Role.OPERATOR, org: str = ORG, flush: bool = True, **fields: Any
) -> list[pb.AuditEvent]:
    if flush:
        await api.service.audit_log.flush()
    request = rpc.ListAuditEventsRequest(organization_name=org, **fields)
    return list((await account(api).list_audit_events(request, headers=api.headers(key))).audit_events)


async def rename(api: Api, to: str, key: Role = Role.ADMIN, name: str = ACCOUNT) -> None:
    request = rpc.UpdateBillingAccountRequest(name=name, display_name=to)
    await account(api).update_billing_account(
        request, headers={**api.headers(key), "user-agent": "tests/1", "x-request-id": "call-1"}
    )


async def deposit(api: Api, request_id: str = "d", key: Role = Role.OPERATOR) -> ledger_rpc.DepositResponse:
    request = ledger_rpc.DepositRequest(wallet_name=WALLET, amount_minor=1000, request_id=request_id)
    return await api.ledger.deposit(request, headers=api.headers(key))


async def hold(api: Api, request_id: str, amount_minor: int = 10) -> str:
    request = ledger_rpc.CreateHoldRequest(wallet_name=WALLET, amount_minor=amount_minor, request_id=request_id)
    made = (await api.ledger.create_hold(request, headers=api.headers(Role.EDITOR))).hold
    assert made is not None
    return made.name


async def broken(api: Api) -> list[Violation]:
    return await api.service.db.read(lambda conn: laws.check(conn, None))


async def test_a_change_says_who_from_where_what_before_and_after(api: Api):
    await rename(api, "First")
    await rename(api, "Second")
    newest, older = await listed(api, flush=False)
    assert (newest.sequence, older.sequence) == (2, 1)
    assert newest.method == "billing.v1.AccountService/UpdateBillingAccount"
    assert newest.api_key_name.startswith(f"{ORG}/api-keys/")
    assert (newest.role, newest.outcome, newest.reason) == (pb.Role.ADMIN, APPLIED, "")
    assert (newest.user_agent, newest.correlation_id, newest.call_count) == ("tests/1", "call-1", 1)
    assert newest.remote_address
    assert newest.create_time == newest.first_time == Timestamp.from_datetime(START)
    assert newest.resource_names == [ACCOUNT]
    detail = json.loads(newest.detail_json)
    assert detail["request"] == {"name": ACCOUNT, "displayName": "Second"}
    assert detail["before"] == {ACCOUNT: {"display_name": "First"}}
    assert detail["events"] == [
        {"type": "billing_account.updated", "subject": ACCOUNT, "data": {"display_name": "Second"}}
    ]
    assert await broken(api) == []


async def test_a_limit_alerts_and_a_suspension_say_what_was_before(api: Api):
    headers = api.headers(Role.ADMIN)

    async def limit(amount_minor: int) -> None:
        request = SetSpendingLimitRequest(
            wallet_name=WALLET, amount_minor=amount_minor, duration="daily", strategy="fixed"
        )
        await api.wallet.set_spending_limit(request, headers=headers)

    async def alert(amount_minor: int) -> None:
        request = ConfigureWalletAlertsRequest(wallet_name=WALLET, balance_alert_minor=amount_minor)
        await api.wallet.configure_wallet_alerts(request, headers=headers)

    for amount_minor in (500, 700):
        await limit(amount_minor)
        await alert(amount_minor)
    suspend = rpc.SuspendBillingAccountRequest(name=ACCOUNT)
    await account(api).suspend_billing_account(suspend, headers=api.headers(Role.OPERATOR))
    found = [json.loads(event.detail_json) for event in await listed(api, flush=False)]
    suspension, alerts, limits, first_alerts, first_limit = found
    assert suspension["before"] == {ACCOUNT: {"state": "active"}}
    assert alerts["before"][WALLET]["balance_alert_minor"] == 500
    assert limits["before"][WALLET]["amount_minor"] == 500
    assert first_alerts["before"][WALLET].get("balance_alert_minor") is None
    assert "before" not in first_limit
    assert await broken(api) == []


async def test_a_change_and_its_record_are_one_transaction(api: Api, database_url: str):
    owner = engine_for(database_url, pool_size=1, role=None)
    async with owner.begin() as conn:
        await conn.execute(text("REVOKE INSERT ON audit_events FROM wallet_app"))
    with pytest.raises(ConnectError) as failed:
        await rename(api, "Unrecorded")
    assert failed.value.code is Code.INTERNAL
    async with owner.begin() as conn:
        await conn.execute(text("GRANT INSERT ON audit_events TO wallet_app"))
        names = (await conn.execute(text("SELECT display_name FROM billing_accounts"))).scalars().all()
    await owner.dispose()
    assert "Unrecorded" not in names
    assert await listed(api) == []


async def test_a_change_costs_one_statement_more(api: Api):
    statements: list[str] = []

    def note(query: Any) -> None:
        statements.append(query.query)

    def watch(connection: Any, *_: object) -> None:
        connection.driver_connection.add_query_logger(note)

    event.listen(api.service.engine.sync_engine, "connect", watch)
    await api.service.engine.dispose()
    await rename(api, "Name")
    about = [statement for statement in statements if "audit_" in statement]
    assert len(about) == 1, about
    assert len(statements) > 1


async def test_refused_calls_are_counted(api: Api):
    for _ in range(3):
        with pytest.raises(ConnectError):
            await rename(api, "Mine", Role.VIEWER)
    assert await listed(api, flush=False) == []
    (found,) = await listed(api)
    assert (found.outcome, found.reason, found.call_count) == (REFUSED, "ROLE_TOO_LOW", 3)
    assert (found.role, found.resource_names, found.detail_json) == (pb.Role.VIEWER, [ACCOUNT], "{}")
    assert await broken(api) == []


async def test_what_is_tried_elsewhere_stands_with_who_tried_it(api: Api):
    with pytest.raises(ConnectError):
        await rename(api, "Yours", Role.ADMIN, "organizations/other-org/billing-accounts/default")
    assert await listed(api, org="organizations/other-org") == []
    (found,) = await listed(api)
    assert (found.reason, found.resource_names) == (
        "RESOURCE_NOT_FOUND",
        ["organizations/other-org/billing-accounts/default"],
    )


async def test_holds_are_counted_by_key_with_their_names(api: Api):
    await deposit(api)
    names = await asyncio.gather(*(hold(api, f"h{index}") for index in range(5)))
    with pytest.raises(ConnectError):
        await hold(api, "too-much", 100_000)
    counted = {each.outcome: each for each in await listed(api, method="billing.v1.LedgerService/CreateHold")}
    assert counted[APPLIED].call_count == 5
    assert set(counted[APPLIED].resource_names) == {WALLET, *names}
    assert (counted[REFUSED].call_count, counted[REFUSED].reason) == (1, "INSUFFICIENT_FUNDS")
    assert await broken(api) == []


async def test_a_write_of_the_ledgers_own_lanes_is_recorded_before_its_answer(api: Api):
    entry = (await deposit(api)).journal_entry
    assert entry is not None
    request = ledger_rpc.RefundRequest(
        journal_entry_name=entry.name, amount_minor=100, description="back", request_id="r"
    )
    await api.ledger.refund(request, headers=api.headers(Role.OPERATOR))
    newest, older = await listed(api, flush=False)
    assert newest.method == "billing.v1.LedgerService/Refund"
    assert newest.resource_names[0] == entry.name
    assert len(newest.resource_names) == 2
    assert json.loads(newest.detail_json)["request"]["amountMinor"] == "100"
    assert older.resource_names == [WALLET]
    assert json.loads(older.detail_json)["events"][0]["data"]["journal_entry"] == entry.name
    assert older.api_key_name.startswith("operators/api-keys/")


async def test_reads_leave_nothing(api: Api):
    await api.wallet.get_wallet(GetWalletRequest(name=WALLET), headers=api.headers(Role.VIEWER))
    assert await listed(api) == []


async def test_the_platform_has_a_chain_of_its_own(api: Api):
    made = await account(api).create_organization(
        rpc.CreateOrganizationRequest(organization_id="third", request_id="x"), headers=api.headers(Role.OPERATOR)
    )
    assert made.organization is not None
    issued = await account(api).create_api_key(
        rpc.CreateApiKeyRequest(role=pb.Role.OPERATOR, display_name="second"), headers=api.headers(Role.OPERATOR)
    )
    assert issued.api_key is not None
    newest, older = await listed(api, org="")
    assert newest.resource_names == [issued.api_key.name]
    assert issued.secret not in newest.detail_json
    assert made.organization.name in older.resource_names
    assert await listed(api, org="organizations/third") == []


async def test_who_may_list(api: Api):
    await rename(api, "Name")
    assert len(await listed(api, key=Role.ADMIN)) == 1
    for key, org, code in (
        (Role.EDITOR, ORG, Code.PERMISSION_DENIED),
        (Role.ADMIN, "", Code.PERMISSION_DENIED),
        (Role.ADMIN, "organizations/other-org", Code.NOT_FOUND),
        (api.stranger, ORG, Code.NOT_FOUND),
    ):
        with pytest.raises(ConnectError) as refused:
            await listed(api, key=key, org=org)
        assert refused.value.code is code


async def test_filters_and_pages(api: Api):
    for index in range(3):
        await rename(api, f"Name {index}")
    await deposit(api)
    everything = await listed(api)
    assert [each.sequence for each in everything] == [4, 3, 2, 1]
    admin = everything[1].api_key_name
    assert [each.sequence for each in await listed(api, api_key_name=admin)] == [3, 2, 1]
    assert [each.sequence for each in await listed(api, method="billing.v1.LedgerService/Deposit")] == [4]
    now = Timestamp.from_datetime(START)
    assert len(await listed(api, start_time=now)) == 4
    assert await listed(api, end_time=now) == []
    seen: list[int] = []
    token = ""
    while True:
        request = rpc.ListAuditEventsRequest(
            organization_name=ORG, page_size=2, page_token=token, method=everything[1].method
        )
        page = await account(api).list_audit_events(request, headers=api.headers(Role.ADMIN))
        seen += [each.sequence for each in page.audit_events]
        if not (token := page.next_page_token):
            break
    assert seen == [3, 2, 1]


async def test_simultaneous_changes_make_one_chain_without_gaps(api: Api):
    # As many as the organization's share of the connections takes at once, those that wait included.
    await asyncio.gather(*(rename(api, f"Name {index}") for index in range(16)))
    assert [each.sequence for each in await listed(api)] == list(range(16, 0, -1))
    assert await broken(api) == []


@pytest.mark.parametrize(
    ("tampering", "row"),
    [
        ("UPDATE audit_events SET method = 'x' WHERE seq = 2", "audit event 2"),
        ("UPDATE audit_events SET user_agent = 'x' WHERE seq = 3", "audit event 3"),
        ("UPDATE audit_events SET resources = '{}' WHERE seq = 1", "audit event 1"),
        ("DELETE FROM audit_events WHERE seq = 2", "audit event 2"),
        ("DELETE FROM audit_events WHERE seq = 3", "audit head"),
        ("DELETE FROM audit_events", "audit head"),
    ],
)
async def test_tampering_is_found(api: Api, database_url: str, tampering: str, row: str):
    for index in range(3):
        await rename(api, f"Name {index}")
    assert (await api.service.audit.verify(None)).ok
    owner = engine_for(database_url, pool_size=1, role=None)
    async with owner.begin() as conn:
        await conn.execute(text(tampering))
    await owner.dispose()
    (found,) = (await api.service.audit.verify(None)).violations
    assert (found.law, found.organization, found.row) == (laws.LAW, "my-org", row)


async def test_a_refusal_after_the_change_is_a_second_record(api: Api):
    """What was applied stays recorded, whatever is answered in the end."""
    await rename(api, "Name")
    with pytest.raises(ConnectError):
        await deposit(api, key=Role.ADMIN)
    assert [each.outcome for each in await listed(api)] == [REFUSED, APPLIED]


TEXTS = (ScalarType.STRING, ScalarType.BYTES)
HIDDEN_FIELDS = {
    "code",
    "mandateText",
    "stripePaymentMethodId",
}
"""Texts of requests of writes that nobody has decided to show. Whoever adds a field decides."""


def texts_of(message: DescMessage, seen: set[str]) -> Iterator[str]:
    """The JSON names of the texts that a message may hold, maps included."""
    if message.type_name in seen or message.type_name.startswith("google."):
        return
    seen.add(message.type_name)
    for field in message.fields:
        value: object = field.value
        if isinstance(value, DescFieldValueList):
            value = value.element
        inner = getattr(value, "message", value)
        if isinstance(inner, DescMessage):
            yield from texts_of(inner, seen)
        elif isinstance(value, DescFieldValueMap) or getattr(value, "scalar", value) in TEXTS:
            yield field.json_name


def test_every_text_of_a_write_is_shown_or_hidden_on_purpose():
    texts = {
        text
        for service in OURS
        for method in service.desc().methods
        if method.idempotency != MethodOptions.IdempotencyLevel.NO_SIDE_EFFECTS
        and f"{service.desc().type_name}/{method.name}" not in COUNTED
        for text in texts_of(method.input, set())
    }
    # A web address keeps its host.
    assert texts - SHOWN - {"url"} == HIDDEN_FIELDS
