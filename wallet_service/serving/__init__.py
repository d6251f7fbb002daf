"""Hosting: one ASGI application on one port, under pyvoy (Envoy) or hypercorn, with a drain before every stop.

Invariants. A call that was accepted before SIGTERM or SIGINT finishes, or runs into the drain bound. An Envoy never outlives
the process that started it, however that process ends. Health turns NOT_SERVING before the listener closes.

Layout. Under pyvoy the parent process (`run.serve`) starts Envoy as its child; Envoy loads Python and imports
`serving.entry:app`, which builds the application from the factory named in its environment. With several workers it starts
that many, which share the port, and starts again one that ends (`fleet`). Under hypercorn the application runs in the parent
itself. The factory is the same: `create_app(draining: asyncio.Event) -> ASGI application`.

Not here: what the application answers, the database, the job worker.
"""
