"""Automatic recharging of a wallet: a saved card is charged when the available balance falls below a threshold.

Invariants. It is off until somebody turns it on, and every turning on leaves a row that says who, when, and the words that
were agreed to. A wallet has at most one open recharge, claimed in the database; a claim is given up only when its payment
can no longer succeed. What the recharges of any 24 hours and of any 31 days take together, unknown outcomes included, stays
within the caps, because it is summed under the lock of the configuration that the claim is made under. A recharge that
does not happen leaves an event that says why, once for each reason until the reason changes.

How it goes. `RechargeWatcher` sees the postings of a wallet, or `RechargeWork` finds that a wait is over; `rules.decide`
says what to do. A claim is an attempt, a top-up and a job, in one transaction. The job charges with no transaction open,
with the attempt's own key. Whatever becomes of the top-up, by answer, webhook or reconciler, reaches `RechargeFollower`.
A decline is tried again with a new payment, and only when the one before was canceled at the provider.

Lock order: top-up, book, standing of the account, configuration, attempt, event head; a claim's top-up is new, so nobody
waits for it.

Not here: how money is credited and payments are canceled (`wallet_service.topups`), and confirming a payment on session.
"""
