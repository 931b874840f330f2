"""Talking to an API server: the session, the resources that arguments mean, the merge of `apply`."""
