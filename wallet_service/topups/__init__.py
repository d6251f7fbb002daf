"""Money on its way into a wallet, and what providers take back of it later.

Invariants. A top-up is PENDING, then SUCCEEDED, FAILED or CANCELED for ever. It is credited once, with the amount and
currency that were asked for, and only from what the provider says now, never from what a delivery or a browser claims. Every
credit, fee, refund and dispute has a ledger key made of its own id, so each step may run any number of times, in any order.

How it goes. A transaction stores the top-up with the key for the provider; then the provider is called with no transaction
open; then `Settlement.settle` stores the answer. Browser, webhook and reconciler all come through `Settlement`: it asks the
provider again, locks the top-up, decides (`rules`) and posts. An answer that is overtaken by another one is asked for again.

Not here: deliveries of webhooks (`wallet_service.webhooks`) and saved cards (`wallet_service.payment_methods`).
"""
