"""Embedding models: `ports.embeddings`."""
