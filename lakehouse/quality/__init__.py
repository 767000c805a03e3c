"""Judging rows and tables: expectations compiled to SQL, counted in one pass; verdicts, profiles, drift."""
