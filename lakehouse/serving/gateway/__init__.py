"""The SQL gateway: Arrow Flight SQL over TLS, tokens, limits and audit in front of a query service."""
