"""The wallet service: operations, stores and transport around the accounting kernel in `ledger`.

A request makes three hops: servicer -> operation -> (store | ledger). Only operations open transactions, and none of
them calls a payment provider while a transaction is open.
"""
