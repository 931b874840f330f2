"""Metrics sent by OpenTelemetry's protocol (the extra `otel`)."""
