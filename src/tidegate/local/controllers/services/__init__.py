"""The Service controller: Endpoints and EndpointSlices of the Pods that a Service selects."""
