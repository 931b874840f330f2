"""Validation of what makes Pods of a template. Pure; the objects are well-typed and defaulted."""
