"""The dashboard joined to a running operator, on this machine and on a cluster."""
