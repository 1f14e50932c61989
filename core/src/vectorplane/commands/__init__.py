"""The commands that are clients of a service: `search`, `upsert` and `load`."""
