"""What stands between the network and the endpoints: limits, cache, timeouts, shedding, headers."""
