"""The same tables on several machines: distributed by organization with Citus, and lanes that follow the shards.

Invariants. A tenant table is distributed by `org_id` and lies beside `organizations`, so all rows of an organization are
on one machine; a reference table is whole on every machine; every other table stays where it is, on the coordinator. What
a table is follows from `info["scope"]` alone. The shards of `organizations` are the lanes of the ledger and of usage, so
that a batch never mixes shards: a statement that locks rows of two of them is refused.

On one PostgreSQL server nothing of this is used: no table is distributed, and lanes are a number from the settings. The
cluster itself (nodes, who may connect to them, moving shards) belongs to whoever runs it; see docs/scaling.md.
"""
