"""Lives of the service on one database: each begins with nothing but what the database holds, and may end anywhere."""

from contextlib import suppress

import httpx
from pydantic import SecretStr

from providers.simulators.coinbase.keys import KEY_ID, KEY_SECRET
from providers.simulators.courier import Letter
from tests.simulation.boundary import Boundary
from tests.simulation.outside import COINBASE_SECRET, STRIPE_SECRET, Outside
from wallet_service.clock import Clock
from wallet_service.config import Settings
from wallet_service.http.webhooks import webhook_routes
from wallet_service.jobs import Job, in_own_time, job_table
from wallet_service.rpc.plain_http import plain_http_app
from wallet_service.service import Service

POOL_SIZE = 8
TOPUP_MAX = 1_000_000
RECONCILE_AFTER_SECONDS = 300


def settings_of(database_url: str, outside: Outside) -> Settings:
    return Settings(
        environment="test",
        database_url=SecretStr(database_url),
        database_pool_size=POOL_SIZE,
        stripe_api_key=SecretStr("sk_test_simulation"),
        stripe_api_base=outside.stripe_url,
        stripe_webhook_secret=SecretStr(STRIPE_SECRET),
        coinbase_api_key_name=KEY_ID,
        coinbase_private_key=SecretStr(KEY_SECRET),
        coinbase_api_base=outside.coinbase_url,
        coinbase_webhook_secret=SecretStr(COINBASE_SECRET),
        topup_amount_max_minor=TOPUP_MAX,
        reconcile_after_seconds=RECONCILE_AFTER_SECONDS,
    )


class Life:
    """One process of the service."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        class SimulatedService(Service):
            system_clock = clock

        self.boundary = Boundary()
        self.service = SimulatedService(settings)
        self.boundary.watch(self.service.engine)
        service = self.service
        self.jobs: dict[str, Job] = {
            job.name.value: job
            for job in in_own_time(
                job_table(
                    inbox=service.inbox,
                    topup_sync=service.topup_sync,
                    payment_methods=service.payment_methods,
                    recharge_work=service.recharge_work,
                    notifications=service.notifications,
                ),
                service.times.time_of,
            )
        }
        app = plain_http_app(webhook_routes(service.inbox), body_bytes_max=4 * 1024 * 1024)
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app, raise_app_exceptions=False))

    async def begin(self) -> "Life":
        await self.service.__aenter__()
        return self

    async def receive(self, letter: Letter) -> int:
        """A delivery at the service's own route; its status, 599 when nobody is there to answer."""
        client = self._http
        request = client.build_request("POST", letter.url, content=letter.body, headers=dict(letter.headers))
        response = await client.send(request)
        return 599 if self.boundary.is_dead else response.status_code

    async def end(self) -> None:
        """Stop in an orderly way, or clear away what a crash has left in this process; the database sees none of it."""
        self.boundary.arm()
        if not self.boundary.is_dead:
            await self.service.__aexit__(None, None, None)
            self.boundary.kill()
        else:
            with suppress(Exception):
                await self.service.__aexit__(None, None, None)
        await self._http.aclose()
