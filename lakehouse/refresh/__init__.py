"""What changed: computes the rows a dataset is due, and stages them without making them visible."""
