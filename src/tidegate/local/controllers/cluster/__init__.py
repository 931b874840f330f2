"""The cluster's housekeeping: garbage collection, namespaces, volume claims, scheduling."""
