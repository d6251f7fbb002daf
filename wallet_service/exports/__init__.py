"""Usage as files: CSV, NDJSON, Parquet and FOCUS 1.2.

Invariants. A file is one snapshot of the database: its sum is that of QueryUsage over the same range at that moment. It is
written in bounded memory, whatever its size, and exists only when it is complete. Every file has a row in `exports` from
before its first byte, so that nothing is left behind by a process that died; after a while the files are removed.

Files, their rows and their links live in real time, also for an organization on a test clock.

Does not own the events (`wallet_service.usage`), nor where files lie and how links are signed (`wallet_service.files`).
"""
