"""Claimed work: which messages are claimed, renewed, acknowledged, released; one Job for one message."""
