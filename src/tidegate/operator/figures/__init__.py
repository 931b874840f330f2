"""The operator in figures: what it keeps and counts, as metrics of a moment."""
