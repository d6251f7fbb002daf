"""Usage: facts about what was used, rated, rolled up by hour and posted to the wallet in one transaction.

Invariants. The money law: for each organization and currency the exact cost of its events = the cost of its hourly roll-up
= what its batches accrued in the ledger. An event counts once for its key; the same key with other content is refused. Usage
is never refused for lack of money. A negative quantity is a correction and takes cost back. Events are never changed.

How. Calls queue in a lane; while one batch commits, the next one gathers (`lanes`). A batch is decided by a pure function
(`columns.decide_together`, or `rules.decide` where anything is not plain) from what a few statements have read, and written
by a few more (`store`). Lock order: keys of
events, rows of the roll-up in key order, then the books of the ledger in theirs.

Not here: what a unit costs (`catalog`), how a cost is computed (`rating`), the wallet's carry (`ledger`).
"""
