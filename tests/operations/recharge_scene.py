"""A wallet that is recharged: the payment side with the watch on its balance, the queued charges, and the events."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from ledger.accounts import AccountKind, chart_account_id
from ledger.model import Accrue, Posted
from tests.operations.payments_lab import GOOD, PaymentsLab
from tests.operations.watch_scene import real_time
from wallet_service.recharge.model import RechargeConfig, RechargeView
from wallet_service.recharge.operations import RechargeRequest
from wallet_service.watching.operations import BalanceWatch

KEY_ID = UUID(int=77)
PREFIX = "wallet.auto_recharge."


@dataclass
class RechargeScene:
    """One organization with an empty USD wallet, threshold 1000 and amount 5000 unless a test says otherwise."""

    lab: PaymentsLab
    card: str = ""
    used: int = 0
    watch: BalanceWatch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = self.new_watch()

    def new_watch(self) -> BalanceWatch:
        """A watch of another process."""
        return BalanceWatch(self.lab.db, self.lab.clock, [self.lab.recharge_watcher], time_of=real_time)

    async def enable(self, *, token: str = GOOD, card: str | None = None, **fields: Any) -> RechargeView:
        """Turn it on with a card that is saved for it."""
        self.card = card or await self.lab.saved_card(token)
        wanted = {"threshold_minor": 1000, "amount_minor": 5000, "payment_method_id": self.card, **fields}
        return await self.lab.recharges.enable(self.lab.org_id, RechargeRequest(**wanted), key_id=KEY_ID)

    async def use(self, amount_minor: int, key: str = "") -> None:
        """Usage, which may take the wallet below zero."""
        self.used += 1
        wallet = self.lab.wallet
        done = await self.lab.ledger.post(
            Accrue(
                org_id=wallet.org_id,
                key=key or f"usage-{self.used}",
                wallet=wallet.account_id,
                revenue_account=chart_account_id(wallet.org_id, wallet.currency, AccountKind.REVENUE),
                exact_minor=Decimal(amount_minor),
            )
        )
        assert isinstance(done, Posted), done

    async def see(self) -> None:
        """The watch sees what has been posted."""
        await self.watch.run_due(self.lab.org_id)

    async def charge(self) -> int:
        """Work the queued recharges; how many of them had something to do."""
        count = 0
        for payload in await self.lab.queued("recharge"):
            count += await self.lab.recharge_work.work(UUID(payload["org_id"]), UUID(payload["attempt_id"]))
        await self.lab.execute("DELETE FROM pgqueuer WHERE entrypoint = 'recharge'")
        return count

    async def fall(self, amount_minor: int = 1) -> None:
        """A posting, seen, and what it sets off."""
        await self.use(amount_minor)
        await self.see()
        await self.charge()

    async def later(self, **by: float) -> int:
        """Time goes on, and what is due by then is done."""
        self.lab.clock.advance(timedelta(**by))
        return await self.lab.recharge_work.run_due(self.lab.org_id)

    async def config(self) -> RechargeConfig:
        config = (await self.lab.recharges.get(self.lab.org_id)).config
        assert config is not None
        return config

    async def available(self) -> int:
        [(amount,)] = await self.lab.rows(
            "SELECT available_minor FROM ledger_wallets WHERE org_id = :org", org=self.lab.org_id
        )
        return amount

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Events of recharging, oldest first, by the last word of their type."""
        rows = await self.lab.rows(
            "SELECT type, data FROM events WHERE org_id = :org AND type LIKE :prefix ORDER BY seq",
            org=self.lab.org_id,
            prefix=f"{PREFIX}%",
        )
        return [(kind.removeprefix(PREFIX), data) for kind, data in rows]

    async def happened(self) -> list[str]:
        """The types only, without `configured`."""
        return [kind for kind, _ in await self.events() if kind != "configured"]

    def charges(self) -> list[dict[str, Any]]:
        """Charges at the provider that took money."""
        charges = self.lab.simulator.world.tables["charge"].values()
        return [charge for charge in charges if charge["paid"]]
