"""The group eventing.keda.sh: where events of the autoscaler are sent."""
