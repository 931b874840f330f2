"""What the reconciles of ScaledObjects and ScaledJobs share: what is tracked, planned and said."""
