"""The embedded API server: storage, the write path, HTTP, and what kubectl prints."""
