"""Packages that bring trigger types of their own: found by entry points, imported where they are allowed."""
