"""Who may do what: keys, permissions, and the parameter types that endpoints ask for."""
