"""KEDA's kinds as typed values: parsed, defaulted, validated, and written as definitions."""
