"""Listeners that pass on, where no kernel does it for us: TCP connections and UDP flows."""
