"""The checks, a file an area."""
