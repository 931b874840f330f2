"""NATS over its clients' port: one connection on which requests, answers and news go their ways.

The protocol is spoken here and not by a library: which addresses may be dialled, how much may come back, and
what a refusal means, is ours to say.
"""
