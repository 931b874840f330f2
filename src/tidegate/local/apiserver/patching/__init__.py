"""The patches that clients send: JSON, merge and strategic merge."""
