"""What becomes of each field of a manifest in local mode: one table, what it tells of an object, its page."""
