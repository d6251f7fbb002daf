"""Spending limits of wallets, what refuses to set money aside or take it, and the question whether something may be spent.

Invariants. A wallet has at most one limit. Whoever sets money aside or takes it from a wallet with a limit holds the
organization's book first, adds up what was spent in the window and what is held, and posts in the same transaction: no
number of racers exceeds the limit. What cannot be checked is not spent. Usage is a fact: it is recorded beyond the limit,
counts, and marks the limit reached, once in a window. A request that was granted before is answered as it was then.

A wallet without a limit, of an active billing account, posts in the ledger's batches: that it has none is read with the
wallet. A limit that is set at the same moment may therefore miss what is being posted; it counts from then on.

Not here: the states of billing accounts, only what they refuse; the amounts, which the ledger adds up.
"""
