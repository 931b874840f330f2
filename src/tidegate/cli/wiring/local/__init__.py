"""What only local mode joins: networks of pods with its parts, and what pods use with its API."""
