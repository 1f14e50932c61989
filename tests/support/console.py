"""The console as a person has it: what it shows, the page, and what went wrong there unseen."""

from __future__ import annotations

from playwright.sync_api import Page

KEYS = "all:all-secret:admin,reader:reader-secret:read"
MARKUP = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
LARGE = 2**64 - 1
"""An id that JavaScript's own numbers cannot hold."""
TEXTS = [
    {"id": 1, "text": "a cup to drink tea from", "payload": {"name": "cup", "price": 4.5}},
    {"id": 2, "text": "a shovel for the garden", "payload": {"name": "shovel", "price": 19.9}},
    {"id": 3, "text": "a pot to boil water in", "payload": {"name": "kettle", "price": 30.25}},
]
SKETCHES = [
    {"id": 7, "vector": [1, 0, 0, 0], "payload": {"note": MARKUP}},
    {"id": LARGE, "vector": [0.9, 0.1, 0, 0], "payload": {"note": "the last id", "n": LARGE}},
]
PRODUCTS = """\
apiVersion: vectorplane.dev/v1alpha1
kind: VectorCollection
metadata:
  name: products
  namespace: shop
spec:
  vectors:
    - size: 256
      distance: Cosine
  payloadIndexes:
    - field: price
      type: Float
  embedding: {provider: local, model: wordllama}
"""


class Console:
    """The page, and what went wrong in it that nobody sees."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self._said(said.text))
        page.on("request", lambda request: self.asked.append(request.url))

    def _said(self, text: str) -> None:
        # An answer that is an error is not the page's mistake.
        if not text.startswith("Failed to load resource"):
            self.complaints.append(text)

    def open(self) -> Console:
        self.page.goto(f"{self.url}/")
        return self

    def log_in(self, secret: str = "all-secret") -> Console:
        self.page.get_by_label("API key").fill(secret)
        self.page.keyboard.press("Enter")
        return self

    def listed(self) -> Console:
        self.page.get_by_text("2 collections.").wait_for()
        return self
