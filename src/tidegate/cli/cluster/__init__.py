"""Talking to an API server: session, resources that arguments mean, the merge of `apply`, identities."""
