"""wallet.v1.WalletService: what happened to a wallet."""

from wallet_api.wallet.v1 import activity_pb as pb

from wallet_service import names
from wallet_service.activity.model import Activity, ActivityKind
from wallet_service.activity.operations import ActivityLog
from wallet_service.rpc.convert import to_unix
from wallet_service.rpc.scope import Scope


class WalletActivity:
    """The one method about activity."""

    def __init__(self, scope: Scope, activity: ActivityLog) -> None:
        self._scope = scope
        self._activity = activity

    async def list_activity(self, request: pb.ListActivityRequest, ctx: object, /) -> pb.ListActivityResponse:
        owner = await self._scope.owner("wallet", request.wallet_name)
        page = await self._activity.list(
            owner.org_id,
            kinds={ActivityKind(kind) for kind in request.kinds},
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListActivityResponse(
            activities=[_to_proto(row, owner.slug) for row in page.rows],
            next_page_token=page.next_page_token,
        )


def _to_proto(activity: Activity, org_slug: str) -> pb.Activity:
    return pb.Activity(
        create_time_unix=to_unix(activity.created_at),
        kind=activity.kind.value,
        event_type=activity.event_type,
        summary=activity.summary,
        amount_minor=None if activity.amount is None else activity.amount.amount_minor,
        currency="" if activity.amount is None else activity.amount.currency,
        subject_name=activity.subject,
        event_name=names.child("events", org_slug, str(activity.event_id)),
    )
