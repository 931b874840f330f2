"""The one room that writes to brokers: commands of claimed work, over connections of their own.

`tidegate.connections.claims.<system>` has `connect(server, surroundings)`, which returns a `Writer`. Nothing
but the reconcile of a ScaledJob that claims comes here; a test holds that.
"""
