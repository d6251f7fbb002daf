"""Customers' webhook endpoints: being told of events over HTTP, by the Standard Webhooks specification.

An endpoint has a cursor into its organization's events. A worker takes a lease on an endpoint, sends it the events after
the cursor one by one, in order, and moves the cursor over each that was answered with a 2xx status. A failed event is tried
again with growing pauses for three days and holds back those after it; then the endpoint is paused, which is an event of
its own. Delivery is at least once: a receiver tells repeats by the header `webhook-id`.

Requests go only where the outside world could go too: the address that a name resolves to is checked, and the connection is
made to that very address. Redirects are not followed.

Not here: the inbox of payment providers' events (`wallet_service.webhooks`).
"""
