"""Transport: gRPC, gRPC-Web and Connect on one ASGI application; beside `app`, the only importer of generated code.

Layers, outermost first. `gateway` (every request: correlation id, deadline, path aliases, one log line, metrics), CORS,
dispatch by path, then for our own services the interceptors: error mapping, OpenTelemetry, authentication, validation,
shielded writes, the audit log, authorization, the organization's time; then the servicer, which converts, calls one
operation and converts back.

Invariants. An exception's text never reaches a caller unless it is a `ServiceError`. A method without an entry in the policy
table stops the composition. No secret and no payload is ever logged.

Not here: business decisions, SQL, and the processes and sockets that serve the application (`wallet_service.serving`).
"""
