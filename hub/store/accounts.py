"""Statements on accounts, their sessions and failed sign-ins."""

from hub.store.connection import Connection, Row


def add(connection: Connection, row: Row) -> None:
    """Add an account; the row holds every column."""
    connection.insert("account", row)


def find(connection: Connection, region: str, login: str) -> Row | None:
    """An account by its login."""
    return connection.row(
        "SELECT * FROM account WHERE region = :region AND login = :login", {"region": region, "login": login}
    )


def find_identity(connection: Connection, region: str, identity: str) -> Row | None:
    """An account by who it is elsewhere."""
    return connection.row(
        "SELECT * FROM account WHERE region = :region AND identity = :identity",
        {"region": region, "identity": identity},
    )


def listed(connection: Connection, region: str) -> list[Row]:
    """Every account by login."""
    return connection.rows("SELECT * FROM account WHERE region = :region ORDER BY login", {"region": region})


def add_session(connection: Connection, row: Row) -> None:
    """Add a session."""
    connection.insert("session", row)


def session(connection: Connection, region: str, session_id: str) -> Row | None:
    """A session with its account (columns of the session under ``session_*``); None for one that has ended."""
    return connection.row(
        "SELECT account.*, session.id AS session_id, session.level AS session_level, session.created_at AS session_created_at,"
        " session.seen_at AS session_seen_at FROM session"
        " JOIN account ON account.region = session.region AND account.login = session.login"
        " WHERE session.region = :region AND session.id = :id AND session.ended_at IS NULL",
        {"region": region, "id": session_id},
    )


def open_sessions(connection: Connection, region: str, login: str) -> list[Row]:
    """The sessions of an account that have not ended, oldest first."""
    return connection.rows(
        "SELECT * FROM session WHERE region = :region AND login = :login AND ended_at IS NULL ORDER BY created_at, id",
        {"region": region, "login": login},
    )


def seen(connection: Connection, region: str, session_id: str, at: int) -> None:
    """Note that a session is in use."""
    connection.run(
        "UPDATE session SET seen_at = :at WHERE region = :region AND id = :id AND seen_at < :at",
        {"region": region, "id": session_id, "at": at},
    )


def end_session(connection: Connection, region: str, session_id: str, at: int, why: str) -> bool:
    """End a session; False when it had ended."""
    changed = connection.run(
        "UPDATE session SET ended_at = :at, ended_why = :why WHERE region = :region AND id = :id AND ended_at IS NULL",
        {"region": region, "id": session_id, "at": at, "why": why},
    )
    return changed == 1


def end_sessions(connection: Connection, region: str, login: str, at: int, why: str) -> int:
    """End all sessions of an account; returns how many."""
    return connection.run(
        "UPDATE session SET ended_at = :at, ended_why = :why"
        " WHERE region = :region AND login = :login AND ended_at IS NULL",
        {"region": region, "login": login, "at": at, "why": why},
    )


def forget_sessions(connection: Connection, region: str, before: int) -> int:
    """Remove what ended, or began, before a time: the journal keeps that it was there."""
    return connection.run(
        "DELETE FROM session WHERE region = :region AND created_at < :before", {"region": region, "before": before}
    )


def limit(connection: Connection, region: str, bucket: str) -> Row | None:
    """Failures in a row of one bucket."""
    return connection.row(
        "SELECT * FROM sign_in_limit WHERE region = :region AND bucket = :bucket", {"region": region, "bucket": bucket}
    )


def set_limit(connection: Connection, row: Row) -> None:
    """Write a bucket."""
    connection.run(
        "INSERT INTO sign_in_limit (region, bucket, failures, last_at, until_at)"
        " VALUES (:region, :bucket, :failures, :last_at, :until_at) ON CONFLICT (region, bucket)"
        " DO UPDATE SET failures = :failures, last_at = :last_at, until_at = :until_at",
        row,
    )


def forget_limits(connection: Connection, region: str, before: int) -> None:
    """Remove buckets whose last failure is older than that."""
    connection.run(
        "DELETE FROM sign_in_limit WHERE region = :region AND last_at < :before", {"region": region, "before": before}
    )


def clear_limit(connection: Connection, region: str, bucket: str) -> None:
    """Remove one bucket: the sign-in worked."""
    connection.run(
        "DELETE FROM sign_in_limit WHERE region = :region AND bucket = :bucket", {"region": region, "bucket": bucket}
    )
