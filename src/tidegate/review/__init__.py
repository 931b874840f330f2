"""A whole manifest as values: its problems, its scalers, its metrics, the HPA it would get."""
