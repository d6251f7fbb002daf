"""Who changed what: a record of every write call, chained by hashes per organization, and one chain for the platform.

A call that changes something is recorded in the transaction of its change. Calls of the ledger's and usage's own lanes,
whose logs are the journal and the usage events, and refused calls are counted together and recorded within a second.
"""
