"""Values as SQL text, under the name by which rules know it; suites that are read need it, too."""

from lakehouse.definition.sql_literals import identifier, literal, literals

__all__ = ["identifier", "literal", "literals"]
