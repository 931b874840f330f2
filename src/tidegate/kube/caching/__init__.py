"""Caches of kinds of objects: what follows the server, and what is kept of it."""
