"""Points: write, read, scroll, delete, count."""
