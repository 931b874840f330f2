"""The decision about a ScaledJob: how many Jobs start, when, which are deleted, and why."""
