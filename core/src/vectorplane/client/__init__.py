"""The client of the service, for programs in Python: `Client`, and `AsyncClient` for asyncio.

    from vectorplane.client import Client, Point

    with Client("http://localhost:10200", api_key="...") as client:
        products = client.collection("shop.products")
        products.upsert([Point(1, [0.1, 0.2, 0.3, 0.4], {"name": "cup"})])
        print(products.search([0.1, 0.2, 0.3, 0.4], limit=5))

It knows the service by its HTTP interface alone, and imports nothing else of this project. The two
clients are one source: `aio` is written, `blocking` is generated.
"""

from vectorplane.client.aio.client import AsyncClient
from vectorplane.client.aio.collection import AsyncCollection
from vectorplane.client.blocking.client import Client
from vectorplane.client.blocking.collection import Collection
from vectorplane.client.config import BadConfig
from vectorplane.client.errors import (
    BadAnswer,
    ClientError,
    Conflict,
    ConnectionFailed,
    Forbidden,
    InvalidInput,
    Mistake,
    NotFound,
    Problem,
    RateLimited,
    ServiceFailed,
    TimedOut,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unsupported,
    UnsupportedMediaType,
)
from vectorplane.client.models import (
    CollectionInfo,
    CollectionPage,
    FacetValue,
    Found,
    Group,
    IssuedKey,
    KeyInfo,
    Page,
    Point,
    Prefetch,
    Search,
    Sparse,
    Written,
    as_numpy,
)
from vectorplane.client.retries import NONE as NO_RETRIES
from vectorplane.client.retries import Retries
from vectorplane.client.wire import Columns

__all__ = [
    "NO_RETRIES",
    "AsyncClient",
    "AsyncCollection",
    "BadAnswer",
    "BadConfig",
    "Client",
    "ClientError",
    "Collection",
    "CollectionInfo",
    "CollectionPage",
    "Columns",
    "Conflict",
    "ConnectionFailed",
    "FacetValue",
    "Forbidden",
    "Found",
    "Group",
    "InvalidInput",
    "IssuedKey",
    "KeyInfo",
    "Mistake",
    "NotFound",
    "Page",
    "Point",
    "Prefetch",
    "Problem",
    "RateLimited",
    "Retries",
    "Search",
    "ServiceFailed",
    "Sparse",
    "TimedOut",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "Unsupported",
    "UnsupportedMediaType",
    "Written",
    "as_numpy",
]
