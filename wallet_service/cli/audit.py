"""`wallet audit`: every law of the ledger and of usage, checked on the database."""

from typing import Annotated

import typer

from wallet_service import names
from wallet_service.cli.session import with_service
from wallet_service.errors import not_found
from wallet_service.journal.model import Verification
from wallet_service.service import Service


def audit(
    organization: Annotated[str, typer.Option(help="slug; leave out for all organizations")] = "",
) -> None:
    """Check every law and name the first row that breaks each. Exits with 1 when one is broken."""

    async def work(service: Service) -> Verification:
        org_id = None
        if organization:
            org_id = await service.directory.resolve_organization(organization)
            if org_id is None:
                raise not_found("organization", names.organization(organization))
        return await service.audit.verify(org_id)

    found = with_service(work)
    for violation in found.violations:
        print(f"BROKEN {violation.law}: {violation.organization} {violation.row}: {violation.detail}")
    state = "ok" if found.ok else "NOT ok"
    print(
        f"audit {state}: {len(found.laws)} laws, {found.organization_count} organizations, {found.entry_count} entries"
    )
    if not found.ok:
        raise typer.Exit(1)
