"""What other domains' statements need: which organizations live in real time."""

from uuid import UUID

from sqlalchemy import ColumnElement, exists

from wallet_service.testclocks.tables import test_clock_organizations


def in_real_time(org_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    """A clause of a sweep: the organization of the row lives in real time, so that the sweep may have it."""
    members = test_clock_organizations
    return ~exists().where(members.c.org_id == org_id).correlate_except(members)
