"""The console: one small page at `/` that shows collections, searches, and plans a manifest.

The page itself holds no data, so it is served without a key. What it shows it asks of the API, with
the key that a person types in. Off with `CONSOLE_ENABLED=false`.
"""
