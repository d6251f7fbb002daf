"""Test clocks: organizations that live in a time of their own, which stands still until it is advanced.

Invariants. An organization is put on a clock when it is made, and stays there. A clock only moves forward. What falls due
for its organizations runs at its time, in order, by an advance and never by a schedule. At most one advance of a clock is at
work; one that was left behind can be taken up again.
"""
