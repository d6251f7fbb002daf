"""The catalog: meters, and what a unit of each costs in a currency from a moment on. The same for every organization.

Invariants. The unit of a meter never changes. A rate is never changed or removed; a new price is a new rate with its own
effective time, and usage that was rated keeps its cost. A meter and currency have one rate for each effective time.

Not here: the choice of the rate for an event (`rating`), usage (`usage`).
"""
