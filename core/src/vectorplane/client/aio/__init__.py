"""The async client: what is written by hand. `blocking` is made of it."""
