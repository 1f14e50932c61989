"""Where answers of searches are kept: one module per kind of memory."""
