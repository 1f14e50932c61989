"""Collections, as a key may see them."""
