"""The vector store in memory: for unit tests of what uses the ports, and for previews of a plan.

It is a double that passes the real engines' suite (`tests/contract`), with their scores and their
refusals. It looks at every point, so it is no engine. Needs nothing but the standard library.
"""

from vectorplane.adapters.vectors.memory.store import MemoryStore

__all__ = ["MemoryStore"]
