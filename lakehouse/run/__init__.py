"""One run, from definition to publication."""
