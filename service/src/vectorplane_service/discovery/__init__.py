"""The service makes itself known to a Consul agent, where it runs outside of a cluster. Inside of
one the operator does that for it."""
