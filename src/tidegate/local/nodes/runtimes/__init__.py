"""What runs the containers of a pod: processes of this machine, or the user's container engine."""
