"""Who sees what: a session over a publication."""
