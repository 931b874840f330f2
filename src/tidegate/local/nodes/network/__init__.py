"""The network of the pods: their addresses, host names, and the proxies of Services."""
