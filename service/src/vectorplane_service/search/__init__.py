"""Search, by vector, by point or by text."""
