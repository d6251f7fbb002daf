"""Monthly statements and receipts: accounting records of what the ledger has already done.

Nothing is owed on a statement: usage was debited from the prepaid wallet when it was recorded. A statement covers the
entries of a UTC month by the time they were recorded, so it never changes and always continues where the one before it
ended: opening + topped up - refunded - spent + adjusted = closing, and closing is the next one's opening. Usage of a closed
month that arrives later stands on lines of its own in the next statement. Documents are numbered without gaps, written
once, and never changed: the service's role may not.

Does not own money: everything is read from the journal and the usage that it names.
"""
