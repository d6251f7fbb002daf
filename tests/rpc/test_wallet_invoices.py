"""Statements and receipts through the generated client, and the PDF through its link."""

import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from pypdf import PdfReader
from wallet_api.wallet.v1 import wallet_service_pb as rpc

from tests.operations.usage_scene import CATALOG, GPU, event
from tests.rpc.service_app import Api, running
from wallet_service.http.downloads import download_routes
from wallet_service.principal import Role
from wallet_service.rpc.plain_http import plain_http_app

ACCOUNT = "organizations/my-org/billing-accounts/default"
MARCH, APRIL = (int(datetime(2026, month, 1, tzinfo=UTC).timestamp()) for month in (3, 4))


@pytest.fixture
async def api(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    monkeypatch.setenv("WALLET_DATA_DIR", str(tmp_path))
    async with running(database_url) as made:
        yield made


async def a_month(api: Api, *, close: bool = True) -> None:
    service = api.service
    org_id = await service.directory.resolve_organization("my-org")
    assert org_id is not None
    await service.catalog.apply(CATALOG)
    await service.journal.deposit(org_id, amount_minor=10_000, currency="", description="", key="d")
    await service.usage.record(org_id, [event("a", "2.5", meter=GPU), event("b", "0.5", project="my-app")])
    if close:
        api.clock.advance(datetime(2026, 4, 1, 0, 10, tzinfo=UTC) - api.clock.now())
        assert await service.statement_closing.run_due(org_id) == 1


async def listed(api: Api, key: Role | str = Role.VIEWER, **fields: str | int) -> rpc.ListInvoicesResponse:
    request = rpc.ListInvoicesRequest(**{"billing_account_name": ACCOUNT, **fields})  # type: ignore[arg-type]
    return await api.wallet.list_invoices(request, headers=api.headers(key))


async def test_a_statement_with_everything_that_it_says(api: Api) -> None:
    await a_month(api)
    [statement] = (await listed(api)).invoices
    got = await api.wallet.get_invoice(rpc.GetInvoiceRequest(name=statement.name), headers=api.headers(Role.VIEWER))
    assert got.invoice == statement
    assert statement.name.startswith("organizations/my-org/invoices/")
    assert statement.billing_account_name == ACCOUNT
    assert (statement.kind, statement.number, statement.status) == ("statement", "ST-000001", "PAID")
    assert (statement.period_start_unix, statement.period_end_unix) == (MARCH, APRIL)
    assert statement.create_time_unix == statement.finalize_time_unix == statement.pay_time_unix == APRIL + 600
    assert (statement.currency, statement.amount_minor, statement.spent_minor) == ("USD", 622, 622)
    assert (statement.opening_balance_minor, statement.adjusted_minor) == (0, 10_000)
    assert statement.closing_balance_minor == 10_000 - 622
    assert (statement.carried_in_minor_decimal, statement.carried_out_minor_decimal) == ("0", "0.75")
    gpu, cpu = statement.line_items
    assert (gpu.meter, gpu.display_name, gpu.kind, gpu.category) == (GPU, "GPU H100", "usage", "GPU")
    assert (gpu.quantity, gpu.quantity_decimal, gpu.unit, gpu.unit_price_minor) == (2.5, "2.5", "gpu-hour", 249)
    assert (gpu.amount_minor, gpu.amount_minor_decimal, gpu.unit_price_minor_decimal) == (622, "622.5", "249")
    assert (cpu.amount_minor, cpu.amount_minor_decimal, cpu.unit_price_minor) == (0, "0.25", 0)
    assert [(share.title, share.amount_minor) for share in statement.categories] == [("GPU", 622), ("vCPU", 0)]
    assert [(share.title, share.amount_minor) for share in statement.projects] == [("my-app", 622)]
    assert len(statement.days) == 31
    assert (statement.days[0].day_start_unix, statement.days[0].amount_minor) == (MARCH, 622)


async def test_the_pdf_comes_through_its_link_and_by_nothing_else(api: Api) -> None:
    await a_month(api)
    [statement] = (await listed(api)).invoices
    found = await api.wallet.download_invoice_pdf(
        rpc.DownloadInvoicePDFRequest(name=statement.name, paper="letter"), headers=api.headers(Role.VIEWER)
    )
    assert found.expires_at_unix == APRIL + 600 + 3600
    app = plain_http_app(download_routes(api.service.downloads), body_bytes_max=1000)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        answer = await http.get(found.download_url)
        assert answer.headers["content-type"] == "application/pdf"
        assert 'filename="my-org-ST-000001.pdf"' in answer.headers["content-disposition"]
        text = PdfReader(io.BytesIO(answer.content)).pages[0].extract_text()
        assert "ST-000001" in text
        assert "Nothing is due" in text
        assert (await http.get(found.download_url.replace("ST-000001", "ST-000002"))).status_code == 403
        api.clock.advance(timedelta(hours=1))
        assert (await http.get(found.download_url)).status_code == 403


async def test_the_open_month_is_a_draft_without_a_name(api: Api) -> None:
    await a_month(api, close=False)
    found = await api.wallet.get_invoice_preview(
        rpc.GetInvoicePreviewRequest(billing_account_name="billing-accounts/my-org"), headers=api.headers(Role.VIEWER)
    )
    draft = found.invoice
    assert (draft.status, draft.name, draft.number) == ("DRAFT", "", "")
    assert (draft.period_start_unix, draft.spent_minor) == (MARCH, 622)
    assert (draft.finalize_time_unix, draft.pay_time_unix) == (0, 0)
    assert (await listed(api)).invoices == []


@pytest.mark.parametrize("name", ["organizations/my-org/invoices/2026-03", f"invoices/{'0' * 32}"])
async def test_what_is_not_there_is_not_found(api: Api, name: str) -> None:
    for call in (
        api.wallet.get_invoice(rpc.GetInvoiceRequest(name=name), headers=api.headers(Role.VIEWER)),
        api.wallet.download_invoice_pdf(rpc.DownloadInvoicePDFRequest(name=name), headers=api.headers(Role.VIEWER)),
    ):
        with pytest.raises(ConnectError) as refused:
            await call
        assert refused.value.code is Code.NOT_FOUND


async def test_another_organization_sees_none_of_it(api: Api) -> None:
    await a_month(api)
    [statement] = (await listed(api)).invoices
    for call in (
        listed(api, api.stranger),
        api.wallet.get_invoice(rpc.GetInvoiceRequest(name=statement.name), headers=api.headers(api.stranger)),
    ):
        with pytest.raises(ConnectError) as refused:
            await call
        assert refused.value.code is Code.NOT_FOUND
    theirs = f"organizations/other-org/invoices/{statement.name.rpartition('/')[2]}"
    with pytest.raises(ConnectError) as refused:
        await api.wallet.get_invoice(rpc.GetInvoiceRequest(name=theirs), headers=api.headers(api.stranger))
    assert refused.value.code is Code.NOT_FOUND


async def test_filters_and_papers_are_checked(api: Api) -> None:
    for type_ in ("", "auto", "manual", "all"):
        assert (await listed(api, type=type_)).invoices == []
    with pytest.raises(ConnectError) as refused:
        await listed(api, type="every")
    assert refused.value.code is Code.INVALID_ARGUMENT
    request = rpc.DownloadInvoicePDFRequest(name="organizations/my-org/invoices/x", paper="a5")
    with pytest.raises(ConnectError) as refused:
        await api.wallet.download_invoice_pdf(request, headers=api.headers(Role.VIEWER))
    assert refused.value.code is Code.INVALID_ARGUMENT
