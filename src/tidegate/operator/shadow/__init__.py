"""Beside a running KEDA: what we would set, against what is. Nothing is carried out."""
