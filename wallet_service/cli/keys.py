"""`wallet keys`: the first keys of an installation, made by whoever can reach its database."""

from typing import Annotated

import typer

from wallet_service import names
from wallet_service.cli.session import with_service
from wallet_service.errors import not_found
from wallet_service.principal import Role
from wallet_service.service import Service

app = typer.Typer(no_args_is_help=True, help="API keys.")


@app.callback()
def keys() -> None:
    """API keys."""


@app.command("create")
def create(
    role: Annotated[str, typer.Option(help="viewer, editor, admin or operator")],
    organization: Annotated[str, typer.Option(help="slug; leave out for an operator's key")] = "",
    display_name: Annotated[str, typer.Option(help="what the key is for")] = "command line",
) -> None:
    """Create a key and print its secret, this once."""
    if role.upper() not in Role.__members__:
        raise typer.BadParameter("must be viewer, editor, admin or operator", param_hint="--role")
    wanted = Role[role.upper()]
    if (wanted is Role.OPERATOR) == bool(organization):
        raise typer.BadParameter("is for every role but operator, and required there", param_hint="--organization")

    async def work(service: Service) -> str:
        org_id = None
        if organization:
            org_id = await service.directory.resolve_organization(organization)
            if org_id is None:
                raise not_found("organization", names.organization(organization))
        issued = await service.api_keys.issue(org_id=org_id, role=wanted, display_name=display_name)
        return issued.secret

    print(with_service(work))
