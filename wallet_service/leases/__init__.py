"""Leases: which of several processes does, for now, what one of them is enough for.

Invariants. A lease is held by one process at most, by the clock of the database, which is the one clock that all of them
see; a holder counts its time from before it asked, by its own monotonic clock, so it lets go first, however the clocks of
two machines differ. Each taking draws a higher fence, and only its fence renews or gives up a lease.

A lease saves effort and guards nothing: a process that was halted (a paused machine, a debugger) may go on for a moment with
a lease that is another's by now. So what is done under one is safe when two do it at once, by cursors and locks of its own.
"""
