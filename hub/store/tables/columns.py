"""Kinds of columns and indexes that the tables share."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, text


def time_column(optional: bool = False) -> Column[int]:
    """Milliseconds since 1970-01-01 UTC."""
    return Column(BigInteger, nullable=optional)


def text_column() -> Column[str]:
    """A text that is empty where code of an earlier release writes the row."""
    return Column(String, nullable=False, server_default="")


def count_column() -> Column[int]:
    """A number that is 0 where code of an earlier release writes the row."""
    return Column(Integer, nullable=False, server_default="0")


def bytes_column(optional: bool = False) -> Column[bytes]:
    """Bytes, mostly encrypted ones."""
    return Column(LargeBinary, nullable=optional)


def partial_index(name: str, *columns: str, where: str) -> Index:
    """An index of the few rows that matter. SQLite uses it only where the query repeats ``where`` word for word, as literals."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))
