"""Which lines of docs/deviations.md touch an object: what would differ from KEDA for this one.

Each rule names its line by how it begins. Deviations that touch every object alike, or that no manifest shows
(what a server answers), have no rule.
"""
