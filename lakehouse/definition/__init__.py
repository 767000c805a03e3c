"""What is declared: a project's files become frozen values. Pure: no Spark, no clock, nothing written."""
