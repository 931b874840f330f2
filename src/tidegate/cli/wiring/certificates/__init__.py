"""The certificates of the cluster's programs as a part of the operator: settings, and the rooms joined."""
