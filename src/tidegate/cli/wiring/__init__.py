"""Where the rooms are joined to a running program: control plane, node, operator, admission."""
