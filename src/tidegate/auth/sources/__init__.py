"""Sources of a TriggerAuthentication that are fetched: which values of which answers its parameters are.

One module per field of the specification, each with `wanted(place, field)`. Nothing is fetched here: what is
wanted is told, and what is held already is read.
"""
