"""Qdrant's engine in this process (`qdrant-edge-py`), for one machine and no cluster.

The library has shards and nothing above them, so one folder holds what Qdrant's server would keep
around them:

    catalogue.json   collections (settings, metadata, indexes, shard), aliases; replaced whole and
    atomically shards/<id>/     one shard each; what no collection names is swept at the next start
    lock             held by the one process that may open the folder

The catalogue is the truth. What is made appears in it last, what is dropped leaves it first, so a
process killed at any moment leaves nothing half made.
"""

from vectorplane.adapters.vectors.qdrant_embedded.catalogue import EmbeddedCatalogue
from vectorplane.adapters.vectors.qdrant_embedded.engine import EmbeddedEngine
from vectorplane.adapters.vectors.qdrant_embedded.observe import ReadOnlyAdmin

__all__ = ["EmbeddedCatalogue", "EmbeddedEngine", "ReadOnlyAdmin"]
