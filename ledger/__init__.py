"""The accounting kernel: double entry, holds, exact accrual, and the batches that make them fast.

It owns accounts, entries, postings, holds, keys and the live balances of wallets. It knows nothing of users, RPC, payment
providers or jobs.

Invariants (each is a query in `ledger.invariants`):
- The postings of an entry sum to zero, in one currency. Debits are positive, credits negative.
- A wallet and its holds account are liabilities: available = -(sum of the wallet's postings), held = -(sum of the holds
  account's postings) = what is left of the open holds. The customer's balance is available + held.
- No posting takes `available` below zero, except the accrual of usage.
- carry + accrued whole units = the exact cost accrued, with 0 <= carry < 1 minor unit: nothing is rounded away.
- Entries are numbered without gaps per organization and chained by hash; they are never changed, only corrected by
  entries that name what they correct, and never by more than is left of it.
- A key is used once per organization, and commits with what it did.

Locking: the `ledger_books` row of an organization is *the* lock of that organization's ledger, and there is no other,
hence no order to keep but that of the organizations' ids. Whoever writes takes it; what is read in later statements, or
was read before under the same `mark` of the book, is the last committed state.
"""
