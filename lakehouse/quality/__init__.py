"""Judging rows: rules, verdicts, profiles, drift."""
