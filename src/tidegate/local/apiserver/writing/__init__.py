"""The write path: verbs, admission and review, updates and deletions, and upkeep."""
