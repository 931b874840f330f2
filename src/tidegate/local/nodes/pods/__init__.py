"""A Pod's life on this node: its worker, its containers, its status."""
