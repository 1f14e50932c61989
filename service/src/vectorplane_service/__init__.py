"""The service: FastAPI in front of the vector store."""
