"""What the dashboard shows of the operator: objects at a glance, their last hours, pods and logs."""
