"""The benchmark, `make bench`: what Tidegate costs, each figure with its definition.

Counts are promises: one that is broken ends the run with code 1. Seconds and bytes depend on the
machine; they are shown beside their goal and break nothing.
"""
