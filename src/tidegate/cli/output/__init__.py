"""Texts for people and programs: tables, descriptions, explanations, YAML and JSON."""
