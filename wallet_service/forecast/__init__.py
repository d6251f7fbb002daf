"""What will be spent: the contract's straight line, and a projection that knows the hours of the week.

Invariants. What was spent comes from the ledger, so it agrees with the balance; what will be spent is guessed from the
hourly sums of usage and of captured holds. A projection of a period is never below what was spent in it. The same rows and
the same moment give the same answer: nothing is random. There is no float; statistics are `Decimal` of 28 digits, and only
their result is rounded to whole minor units, downward, because a guess has no remainder that anyone owns.

Not here: what happens when little is left (`alerts`, `account_states`).
"""
