"""Manifest files as objects, and everything that can be said of them without a server."""
