"""The admission webhooks: what the API server of a cluster asks before it stores one of KEDA's kinds."""
