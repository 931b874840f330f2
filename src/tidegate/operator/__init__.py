"""The autoscaler's controller: reconciles KEDA's kinds against whichever Kubernetes API it is given."""
