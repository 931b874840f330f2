"""The node: runs Pods as processes of this machine (`node.py`)."""
