"""Carrying out claimed work: what the broker is asked, what a message's Job looks like, how it all ends."""
