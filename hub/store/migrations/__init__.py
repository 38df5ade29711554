"""Alembic environment and versions; they travel in the wheel."""
