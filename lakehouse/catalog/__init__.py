"""Who may see what: securables, principals and rules as values, and the decision over them."""
