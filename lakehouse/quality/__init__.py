"""Judging rows and tables: expectations compiled to SQL, counted in one pass, and what the counts mean."""
