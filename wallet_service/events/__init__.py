"""What happened to an organization, in order.

Every change of state that callers may act on writes an event in the transaction of the change. Events of an organization are
numbered 1, 2, 3, ... without a gap, and a number is visible only when every smaller one is: the row of the organization in
`event_heads` gives the numbers out and is locked until the transaction ends. So a reader that asks for what follows the last
number it has seen misses nothing and meets nothing twice, however many writers there are.

Rows are never changed. Usage and holds make no event: their numbered log is the journal.

Not here: who is told of an event over HTTP (`wallet_service.event_webhooks`).
"""
