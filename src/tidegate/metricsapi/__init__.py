"""The external metrics API behind Kubernetes' aggregator: HPAs are answered with what the operator tells."""
