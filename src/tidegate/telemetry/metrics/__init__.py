"""Metrics about us: which there are, and how they are written for whoever collects them."""
