"""Organizations, their billing account, wallet and projects.

Invariants. An organization has exactly one billing account and at most one open wallet; both, its chart of accounts and its
row in the directory are made in one transaction with it. Slugs are unique on the platform, never changed and never freed.
Nothing here is ever deleted: a deleted wallet is a closed one.

Not here: money. A wallet names its ledger account, and the balance is what the ledger says; `balances` reads it, nothing
here writes it.
"""
