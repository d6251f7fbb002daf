"""Usage and catalog through the generated clients: conversion, scope, roles, and every published refusal."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from protobuf.wkt import Timestamp
from wallet_api.billing.v1 import catalog_service_pb as catalog_rpc
from wallet_api.billing.v1 import usage_service_pb as rpc
from wallet_api.billing.v1.error_reason_pb import ErrorReason
from wallet_api.google.rpc.error_details_pb import BadRequest
from wallet_api.wallet.v1 import wallet_service_pb as wallet_rpc
from wallet_api.wallet.v1.operator_messages_pb import RecordUsageEventRequest, SettleUsageToLedgerRequest
from wallet_api.wallet.v1.usage_pb import UsageGroupBy

from tests.operations.usage_scene import GPU, START, VCPU
from tests.rpc.accounts_app import reason
from tests.rpc.usage_app import EGRESS_FREE_GIB, Api, running
from wallet_service.clock import ManualClock
from wallet_service.db import Database, engine_for
from wallet_service.principal import Role

ORG = "organizations/my-org"
STATUS = rpc.UsageEventStatus


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    engine = engine_for(database_url, pool_size=8)
    clock = ManualClock(datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC))
    async with running(Database(engine, statement_timeout=timedelta(seconds=20)), clock) as made:
        yield made
    await engine.dispose()


def event(key: str, **fields: Any) -> rpc.UsageEventInput:
    defaults: dict[str, Any] = {"project_name": "projects/my-app", "meter": VCPU, "quantity": "1"}
    return rpc.UsageEventInput(**{**defaults, "idempotency_key": key, **fields})


async def record(
    api: Api, *events: rpc.UsageEventInput, key: Role | str = Role.EDITOR, **options: Any
) -> rpc.RecordUsageEventsResponse:
    request = rpc.RecordUsageEventsRequest(**{"organization_name": ORG, "events": list(events), **options})
    return await api.usage.record_usage_events(request, headers=api.headers(key))


async def test_each_event_has_its_result(api: Api) -> None:
    at = Timestamp.from_datetime(datetime(2026, 2, 1, 0, 0, 0, 123456, tzinfo=UTC))
    answer = await record(
        api,
        event("a", quantity="730", event_time=at, resource_name="vm-1", datacenter_name="datacenters/eu-1"),
        event("b", quantity="-2.50", metadata={"who": "me"}),
        event("b", quantity="-2.5", metadata={"who": "me"}),
        event("c", meter="nope"),
        event("d", project_name="projects/theirs"),
        event("e", project_name="my-app"),
        event("f", datacenter_name="eu-1"),
        event("g", quantity="1e-13"),
        event("h", unit="GB"),
        event("i", event_time=Timestamp.from_datetime(START)),
        event("j", event_time=Timestamp.from_datetime(datetime(2030, 1, 1, tzinfo=UTC))),
        event("a"),
        event("k", resource_name="a\0b"),
    )
    assert (answer.recorded_count, answer.duplicate_count, answer.refused_count) == (2, 1, 10)
    assert [result.index for result in answer.results] == list(range(13))
    assert [result.status for result in answer.results[:4]] == [
        STATUS.RECORDED,
        STATUS.RECORDED,
        STATUS.DUPLICATE,
        STATUS.REFUSED,
    ]
    assert answer.results[0].cost_minor_decimal == "250.00018"
    assert answer.results[1].cost_minor_decimal == "-1.25"
    assert [answer.results[1].correction, answer.results[2].correction] == [True, True]
    assert answer.results[2].usage_event_name == answer.results[1].usage_event_name
    assert answer.results[0].usage_event_name.startswith(f"{ORG}/usage-events/")
    assert [result.reason for result in answer.results[3:]] == [
        ErrorReason.METER_UNKNOWN,
        ErrorReason.PROJECT_UNKNOWN,
        ErrorReason.INVALID_RESOURCE_NAME,
        ErrorReason.INVALID_RESOURCE_NAME,
        ErrorReason.QUANTITY_OUT_OF_RANGE,
        ErrorReason.UNIT_MISMATCH,
        ErrorReason.EVENT_TOO_OLD,
        ErrorReason.EVENT_IN_FUTURE,
        ErrorReason.IDEMPOTENCY_KEY_REUSED,
        ErrorReason.INVALID_FIELD,
    ]
    assert all(result.message for result in answer.results[3:])
    listed = await api.usage.list_usage_events(
        rpc.ListUsageEventsRequest(organization_name=ORG, page_size=1), headers=api.headers(Role.VIEWER)
    )
    assert listed.next_page_token
    (b,) = listed.usage_events
    assert (b.quantity, b.unit, b.correction, b.cost_minor_decimal) == ("-2.5", "vcpu-hour", True, "-1.25")
    assert (b.metadata, b.idempotency_key, b.datacenter_name) == ({"who": "me"}, "b", "")
    rest = await api.usage.list_usage_events(
        rpc.ListUsageEventsRequest(
            organization_name=ORG, project_name="projects/my-app", page_token="", end_time=b.event_time
        ),
        headers=api.headers(Role.VIEWER),
    )
    (a,) = rest.usage_events
    assert a.event_time is not None
    assert a.event_time.nanos == 123_456_000
    assert (a.project_name, a.resource_name, a.datacenter_name) == ("projects/my-app", "vm-1", "datacenters/eu-1")
    assert (a.unit_price_minor_decimal, a.currency) == ("0.342466", "USD")


async def test_all_or_nothing_is_a_refusal_that_names_each(api: Api) -> None:
    with pytest.raises(ConnectError) as refused:
        await record(api, event("a"), event("b", meter="nope"), all_or_nothing=True)
    assert refused.value.code is Code.INVALID_ARGUMENT
    assert reason(refused.value) == "BATCH_REFUSED"
    found = [bad for detail in refused.value.details if (bad := detail.value(BadRequest)) is not None]
    assert [violation.field for violation in found[0].field_violations] == ["events[1].meter"]
    assert (await record(api, event("a"))).recorded_count == 1


@pytest.mark.parametrize(
    ("key", "options", "code", "why"),
    [
        (Role.VIEWER, {}, Code.PERMISSION_DENIED, "ROLE_TOO_LOW"),
        (Role.ADMIN, {"ignore_age": True}, Code.PERMISSION_DENIED, "ROLE_TOO_LOW"),
        (Role.EDITOR, {"organization_name": "organizations/other-org"}, Code.NOT_FOUND, "RESOURCE_NOT_FOUND"),
        (Role.EDITOR, {"organization_name": "organizations/nobody"}, Code.NOT_FOUND, "RESOURCE_NOT_FOUND"),
        (Role.OPERATOR, {"organization_name": "organizations/nobody"}, Code.NOT_FOUND, "RESOURCE_NOT_FOUND"),
        (Role.EDITOR, {"organization_name": "my-org"}, Code.INVALID_ARGUMENT, "INVALID_RESOURCE_NAME"),
        (Role.EDITOR, {"events": []}, Code.INVALID_ARGUMENT, "INVALID_FIELD"),
        (Role.EDITOR, {"events": [event(str(n)) for n in range(1001)]}, Code.INVALID_ARGUMENT, "INVALID_FIELD"),
    ],
)
async def test_who_may_record_and_how_much(api: Api, key: Role, options: dict[str, Any], code: Code, why: str) -> None:
    with pytest.raises(ConnectError) as refused:
        await record(api, event("a"), key=key, **options)
    assert (refused.value.code, reason(refused.value)) == (code, why)


async def test_an_operator_imports_history_for_any_organization(api: Api) -> None:
    old = event("a", event_time=Timestamp.from_datetime(START))
    assert (await record(api, old, key=Role.OPERATOR, ignore_age=True)).recorded_count == 1


async def test_one_event_by_the_published_message(api: Api) -> None:
    request = RecordUsageEventRequest(
        project_name="projects/my-app", meter=GPU, quantity="0.5", idempotency_key="a", event_time_unix=1_772_000_000
    )
    first = await api.usage.record_usage_event(request, headers=api.headers(Role.EDITOR))
    assert await api.usage.record_usage_event(request, headers=api.headers(Role.OPERATOR)) == first
    (stored,) = (await api.scene.queries.list_events(api.scene.org_id)).rows
    assert str(stored.event_id) == first.usage_event_id
    assert stored.event_time == datetime.fromtimestamp(1_772_000_000, tz=UTC)
    refusals: list[tuple[dict[str, Any], str, Code, str]] = [
        (
            {"project_name": "projects/theirs", "idempotency_key": "b"},
            api.keys[Role.EDITOR],
            Code.NOT_FOUND,
            "PROJECT_UNKNOWN",
        ),
        (
            {"project_name": "projects/nobodys", "idempotency_key": "b"},
            api.keys[Role.EDITOR],
            Code.NOT_FOUND,
            "PROJECT_UNKNOWN",
        ),
        ({}, api.stranger, Code.NOT_FOUND, "PROJECT_UNKNOWN"),
        ({"project_name": "projects/nobodys"}, api.keys[Role.OPERATOR], Code.NOT_FOUND, "RESOURCE_NOT_FOUND"),
        ({"meter": "nope", "idempotency_key": "b"}, api.keys[Role.EDITOR], Code.NOT_FOUND, "METER_UNKNOWN"),
        ({"quantity": "2"}, api.keys[Role.EDITOR], Code.ALREADY_EXISTS, "IDEMPOTENCY_KEY_REUSED"),
        ({"quantity": "x"}, api.keys[Role.EDITOR], Code.INVALID_ARGUMENT, "INVALID_FIELD"),
        ({"project_name": ""}, api.keys[Role.EDITOR], Code.INVALID_ARGUMENT, "INVALID_FIELD"),
    ]
    for fields, key, code, why in refusals:
        changed = RecordUsageEventRequest(
            **{
                "project_name": "projects/my-app",
                "meter": GPU,
                "quantity": "0.5",
                "idempotency_key": "a",
                "event_time_unix": 1_772_000_000,
                **fields,
            }
        )
        with pytest.raises(ConnectError) as refused:
            await api.usage.record_usage_event(changed, headers=api.headers(key))
        assert (refused.value.code, reason(refused.value)) == (code, why)


async def test_settling_answers_what_recording_did(api: Api) -> None:
    request = RecordUsageEventRequest(project_name="projects/my-app", meter=GPU, quantity="1.5", idempotency_key="a")
    made = await api.usage.record_usage_event(request, headers=api.headers(Role.EDITOR))
    settle = {"usage_event_id": made.usage_event_id, "wallet_name": f"{ORG}/wallets/default"}
    answer = await api.usage.settle_usage_to_ledger(
        SettleUsageToLedgerRequest(**settle, use_registered_meter_rate=True), headers=api.headers(Role.OPERATOR)
    )
    assert answer.computed_amount_minor == 374
    assert answer.journal_entry_id
    again = await api.usage.settle_usage_to_ledger(
        SettleUsageToLedgerRequest(**settle, amount_minor=374, currency="usd"), headers=api.headers(Role.OPERATOR)
    )
    assert again == answer
    with pytest.raises(ConnectError) as refused:
        await api.usage.settle_usage_to_ledger(
            SettleUsageToLedgerRequest(**settle, amount_minor=375), headers=api.headers(Role.OPERATOR)
        )
    assert (refused.value.code, reason(refused.value)) == (Code.FAILED_PRECONDITION, "USAGE_ALREADY_SETTLED")
    with pytest.raises(ConnectError) as low:
        await api.usage.settle_usage_to_ledger(
            SettleUsageToLedgerRequest(**settle, amount_minor=374), headers=api.headers(Role.ADMIN)
        )
    assert reason(low.value) == "ROLE_TOO_LOW"


async def query(api: Api, key: Role | str = Role.VIEWER, **fields: Any) -> wallet_rpc.QueryUsageResponse:
    return await api.wallet.query_usage(wallet_rpc.QueryUsageRequest(**fields), headers=api.headers(key))


async def test_usage_is_queried_by_name_and_by_enum(api: Api) -> None:
    await record(
        api,
        event("a", resource_name="vm-1", datacenter_name="datacenters/eu-1"),
        event("b", meter=GPU, quantity="0.001"),
    )
    by_name = await query(api, organization_name=ORG, dimensions=["category"])
    by_enum = await query(api, project_name="projects/my-app", group_by=UsageGroupBy.CATEGORY)
    assert by_name.rows == by_enum.rows
    assert by_name.egress_free_gib == EGRESS_FREE_GIB
    gpu, vcpu = by_name.rows
    assert (gpu.category, gpu.quantity, gpu.unit, gpu.cost_minor, gpu.cost_minor_decimal) == (
        "GPU",
        "0.001",
        "gpu-hour",
        0,
        "0.249",
    )
    assert (vcpu.category, vcpu.cost_minor, vcpu.cost_minor_decimal, vcpu.currency) == ("vCPU", 0, "0.5", "USD")
    assert (vcpu.meter, vcpu.project_name, vcpu.resource_name, vcpu.datacenter_name) == ("", "", "", "")
    assert vcpu.bucket_start_unix == int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())
    both = await query(
        api, organization_name=ORG, dimensions=["resource", "project", "datacenter"], group_by=UsageGroupBy.METER
    )
    assert {(r.meter, r.resource_name, r.project_name, r.datacenter_name) for r in both.rows} == {
        (GPU, "", "projects/my-app", ""),
        (VCPU, "vm-1", "projects/my-app", "datacenters/eu-1"),
    }
    total = await query(api, organization_name=ORG, bucket="month")
    assert [(row.quantity, row.unit, row.cost_minor_decimal) for row in total.rows] == [("", "", "0.749")]
    end = int(api.scene.clock.now().timestamp())
    before = await query(api, organization_name=ORG, start_time_unix=end - 60, end_time_unix=end)
    assert before.rows == [], "an event at the end is outside"


async def test_usage_of_others_is_not_found(api: Api) -> None:
    for key, fields in (
        (Role.ADMIN, {"organization_name": "organizations/other-org"}),
        (Role.ADMIN, {"project_name": "projects/theirs"}),
        (Role.ADMIN, {"project_name": "projects/nobodys"}),
        (api.stranger, {"project_name": "projects/my-app"}),
    ):
        with pytest.raises(ConnectError) as refused:
            await query(api, key, **fields)
        assert (refused.value.code, reason(refused.value)) == (Code.NOT_FOUND, "RESOURCE_NOT_FOUND")
    assert (await query(api, Role.OPERATOR, project_name="projects/theirs")).rows == []
    with pytest.raises(ConnectError) as bad:
        await query(api, organization_name=ORG, page_token="x")
    assert reason(bad.value) == "INVALID_PAGE_TOKEN"


async def test_public_rates_need_no_key(api: Api) -> None:
    answer = await api.wallet.list_public_meter_rates(
        wallet_rpc.ListPublicMeterRatesRequest(meter_prefix="compute.", currency="usd")
    )
    assert [(r.meter, r.unit_price_minor, r.unit_price_minor_decimal) for r in answer.public_meter_rates] == [
        (GPU, 249, "249"),
        (VCPU, 0, "0.5"),
    ]
    assert answer.public_meter_rates[0].display_name == "GPU H100"
    assert answer.public_meter_rates[0].effective_at_unix == int(START.timestamp())
    flat = await api.http.get(
        "/aes.wallet.v1.WalletService/ListPublicMeterRates",
        params={"connect": "v1", "encoding": "json", "message": "{}"},
    )
    assert flat.status_code == 200
    assert len(flat.json()["publicMeterRates"]) == 3


async def test_the_catalog_through_its_service(api: Api) -> None:
    operator, viewer = api.headers(Role.OPERATOR), api.headers(Role.VIEWER)
    made = await api.catalog.create_meter(
        catalog_rpc.CreateMeterRequest(meter_id="storage.gib", unit="GiB-hour", category="VM Storage"),
        headers=operator,
    )
    assert made.meter is not None
    assert (made.meter.name, made.meter.display_name) == ("meters/storage.gib", "storage.gib")
    got = await api.catalog.get_meter(catalog_rpc.GetMeterRequest(name="meters/storage.gib"), headers=viewer)
    assert got.meter == made.meter
    changed = await api.catalog.update_meter(
        catalog_rpc.UpdateMeterRequest(name="meters/storage.gib", category="Storage"), headers=operator
    )
    assert changed.meter is not None
    assert (changed.meter.category, changed.meter.display_name) == ("Storage", "storage.gib")
    request = catalog_rpc.CreateRateRequest(meter_name="meters/storage.gib", unit_price_minor_decimal="0.0100")
    rate = (await api.catalog.create_rate(request, headers=operator)).rate
    assert rate is not None
    assert rate.name.startswith("meters/storage.gib/rates/")
    assert (rate.currency, Decimal(rate.unit_price_minor_decimal)) == ("USD", Decimal("0.01"))
    listed = await api.catalog.list_rates(
        catalog_rpc.ListRatesRequest(meter_name="meters/storage.gib", in_force_time=rate.effective_time),
        headers=viewer,
    )
    assert listed.rates == [rate]
    meters = await api.catalog.list_meters(catalog_rpc.ListMetersRequest(meter_prefix="stor"), headers=viewer)
    assert meters.meters == [changed.meter]
    for call, code, why in (
        (
            api.catalog.get_meter(catalog_rpc.GetMeterRequest(name="storage.gib"), headers=viewer),
            Code.INVALID_ARGUMENT,
            "INVALID_RESOURCE_NAME",
        ),
        (
            api.catalog.get_meter(catalog_rpc.GetMeterRequest(name="meters/nope"), headers=viewer),
            Code.NOT_FOUND,
            "RESOURCE_NOT_FOUND",
        ),
        (
            api.catalog.create_meter(
                catalog_rpc.CreateMeterRequest(meter_id="x", unit="h", category="c"), headers=api.headers(Role.ADMIN)
            ),
            Code.PERMISSION_DENIED,
            "ROLE_TOO_LOW",
        ),
        (
            api.catalog.create_rate(
                catalog_rpc.CreateRateRequest(
                    meter_name="meters/storage.gib", unit_price_minor_decimal="2", effective_time=rate.effective_time
                ),
                headers=operator,
            ),
            Code.ALREADY_EXISTS,
            "RATE_CONFLICT",
        ),
        (
            api.catalog.create_rate(
                catalog_rpc.CreateRateRequest(
                    meter_name="meters/storage.gib", unit_price_minor_decimal="2", currency="XXX"
                ),
                headers=operator,
            ),
            Code.INVALID_ARGUMENT,
            "INVALID_FIELD",
        ),
    ):
        with pytest.raises(ConnectError) as refused:
            await call
        assert (refused.value.code, reason(refused.value)) == (code, why)
