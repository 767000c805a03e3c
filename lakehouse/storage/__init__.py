"""Where bytes live: the Spark session, Delta tables and their commits, the file ledger, the system tables."""
