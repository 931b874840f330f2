"""A pod's place in the network: its address, its network, and the files by which it looks up names."""
