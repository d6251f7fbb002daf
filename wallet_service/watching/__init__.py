"""Telling other domains how a wallet's balance moved, after the fact and without a hand in the hot path.

Invariants. Every posting of an open wallet is shown to every watcher exactly once and in the order of the journal, in the
transaction that moves the organization's cursor past it: whatever a watcher writes there happens once, also when workers
race or die. Nothing is shown of wallets that are closed, nor of what was in the journal before this domain existed.

Who watches is decided by the composition root; what a move means is decided by the watcher.
"""
