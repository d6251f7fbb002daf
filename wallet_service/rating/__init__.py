"""Rating: from a quantity and the rate in force to an exact cost.

Invariants. A cost is the exact product of quantity and unit price; nothing here rounds. A rate is in force from its
effective time on, inclusive, until the next rate of the same meter and currency. Text of a number has no exponent, no
trailing zeros and no sign on zero.

Pure: no I/O, no clock. Not here: where rates are kept (`catalog`), what is done with a cost (`usage`, `ledger`).
"""
