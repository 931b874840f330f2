"""Measuring the triggers of a manifest once, from where `tidegate poll` runs."""
