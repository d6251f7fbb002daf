"""Messages to people about what happened to their billing account, by email and in chats.

Invariants. Settings are followed from the event after they were first made. Each event makes at most one message for each
target that wants its type; a message is tried a bounded number of times, outside of any transaction, and a crash between
sending it and noting that may send it twice. Secrets in addresses are neither returned nor logged.

Not here: which events there are (`wallet_service.events`), and programs that are told of them (webhooks).
"""
