"""The operator's own logs."""
