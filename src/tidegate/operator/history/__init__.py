"""The history of an object: what changed, who did it and why; kept across restarts."""
