"""What a query means: asks Catalyst, answers in plain values. The only place that touches Spark's plans."""
