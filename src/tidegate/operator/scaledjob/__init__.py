"""Reconciling a ScaledJob: a snapshot of its Jobs, what is expected and not seen yet, and new Jobs."""
