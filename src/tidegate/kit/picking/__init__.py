"""One value out of an answer's body: each format in one module, each pick a frozen value.

A pick says what is wanted of a body; whoever has the body lets it `read` it once, for all picks of that
format. Nothing here trusts the body: it nests to `DEPTH` at most, and no text of it goes into an error.
"""
