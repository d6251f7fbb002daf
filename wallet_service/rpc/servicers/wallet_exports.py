"""wallet.v1.WalletService: usage as files."""

from wallet_api.wallet.v1 import wallet_service_pb as rpc

from wallet_service.exports.model import ExportFormat, Selection
from wallet_service.exports.operations import Exports
from wallet_service.rpc.convert import from_unix, to_unix
from wallet_service.rpc.scope import Scope, caller


class WalletExports:
    """The one method about exports."""

    def __init__(self, scope: Scope, exports: Exports) -> None:
        self._scope = scope
        self._exports = exports

    async def export_usage(self, request: rpc.ExportUsageRequest, ctx: object, /) -> rpc.ExportUsageResponse:
        if request.project_name:
            project = await self._scope.project(request.project_name, "project_name")
            org_id, org_slug, project_id = project.org_id, project.org_slug, project.project_id
            owner = request.project_name.removeprefix("projects/")
        else:
            org_id, org_slug = await self._scope.owner("organization", request.organization_name)
            owner, project_id = org_slug, None
        exported = await self._exports.export(
            Selection(
                org_id=org_id,
                project_id=project_id,
                meter_prefix=request.meter_prefix,
                start=from_unix(request.start_time_unix, "start_time_unix"),
                end=from_unix(request.end_time_unix, "end_time_unix"),
            ),
            ExportFormat(request.format or ExportFormat.CSV),
            owner=owner,
            org_slug=org_slug,
            key_id=caller().key_id,
            max_rows=request.max_rows,
        )
        return rpc.ExportUsageResponse(
            download_url=exported.link.url,
            expires_at_unix=to_unix(exported.link.expires_at),
            row_count=exported.row_count,
            object_key=exported.object_key,
        )
