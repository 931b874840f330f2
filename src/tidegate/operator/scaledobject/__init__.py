"""Reconciling a ScaledObject: its scale target, its HPA, and what is left when it goes."""
