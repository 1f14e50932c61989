"""Where services are looked up: one folder per registry."""
