"""Vector stores: `ports.vectors`."""
