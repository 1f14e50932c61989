"""Is it alive, is it ready, and what does it depend on."""
