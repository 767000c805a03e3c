"""Declarative bronze, silver and gold tables on Spark and Delta Lake."""

__version__ = "0.1.0"
