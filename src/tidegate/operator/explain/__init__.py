"""What `tidegate explain` and the live view are told: values of what the last reconcile found."""
