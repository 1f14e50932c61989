"""The outside: one folder a port, one module or folder an adapter. Only composition roots name
them."""
