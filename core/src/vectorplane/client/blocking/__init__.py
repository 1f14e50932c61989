"""The sync client. Every other module here is generated from `aio`, by
`tools/blocking_client.py`."""
