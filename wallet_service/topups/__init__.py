"""Money on its way into a wallet, and what providers take back of it later.

Invariants. A top-up is PENDING, then SUCCEEDED, FAILED or CANCELED for ever. It is credited once, with the amount and
currency that were asked for, and only from what the provider says now, never from what a delivery or a browser claims. Every
credit, fee, refund and dispute has a ledger key made of its own id, so each step may run any number of times, in any order.

Money that arrives is booked whatever became of its top-up. A payment that is late, of another amount, a second one, or for a
wallet that was closed is an unmatched payment: in the wallet where that takes it, else in the receivable account to the
customer's credit, with an entry, an event and an alarm in the log; its refunds and disputes are followed like any others.

How it goes. A transaction stores the top-up with the key for the provider; then the provider is called with no transaction
open; then `Settlement.settle` stores the answer. Browser, webhook and reconciler all come through `Settlement`: it asks the
provider again, locks the top-up, decides (`rules`), posts, and tells (`notices`, and whoever follows top-ups). An answer
that is overtaken by another one is asked for again.

Not here: deliveries of webhooks (`wallet_service.webhooks`) and saved cards (`wallet_service.payment_methods`).
"""
