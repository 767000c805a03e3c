"""What feeds what: edges, order, validation, selection, lineage. Pure."""
