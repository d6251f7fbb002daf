"""What happened to a wallet, told to people: a view of the last 60 days of events. Keeps nothing of its own."""
