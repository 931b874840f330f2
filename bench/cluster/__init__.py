"""An autoscaler on a real cluster, seen from outside: its processes, its broker, its requests to the API."""
