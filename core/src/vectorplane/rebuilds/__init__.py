"""The copy behind a rebuild: `advance` is the way in."""
