"""Rows that stores of other domains read too, in joins of their own."""

from typing import Any

from sqlalchemy import Row

from wallet_service.accounts.model import Wallet


def from_row_wallet(row: Row[Any]) -> Wallet:
    """A wallet beside the slug of its organization, `org_slug`."""
    return Wallet(
        org_id=row.org_id,
        org_slug=row.org_slug,
        wallet_id=row.wallet_id,
        billing_account_id=row.billing_account_id,
        account_id=row.account_id,
        currency=row.currency,
        display_name=row.display_name,
        created_at=row.created_at,
        closed_at=row.closed_at,
    )
