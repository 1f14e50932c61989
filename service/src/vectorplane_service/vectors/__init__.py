"""The flat paths: the same store and search, with the collection in the body."""
