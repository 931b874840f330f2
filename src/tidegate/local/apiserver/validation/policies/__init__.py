"""Validation of the kinds that are stored and have no effect: what a cluster would refuse first. Pure."""
