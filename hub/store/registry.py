"""Statements on what is registered rather than handled: item versions, senders, uploads, the key check."""

from hub.store.connection import Connection, Row


def item_digests(connection: Connection, region: str) -> list[Row]:
    """Code, version, digest and time of every published version."""
    return connection.rows(
        "SELECT code, version, digest, loaded_at FROM item_version WHERE region = :region", {"region": region}
    )


def item_contents(connection: Connection, region: str) -> list[Row]:
    """Code, version and canonical JSON of every published version."""
    return connection.rows(
        "SELECT code, version, content FROM item_version WHERE region = :region ORDER BY code, version",
        {"region": region},
    )


def add_item(connection: Connection, region: str, code: str, version: int, digest: str, content: str, at: int) -> None:
    """Publish a version. ``at``: ms UTC."""
    connection.insert(
        "item_version",
        {"region": region, "code": code, "version": version, "digest": digest, "content": content, "loaded_at": at},
    )


def clients(connection: Connection, region: str) -> list[Row]:
    """Every sender, the revoked ones too, oldest first."""
    return connection.rows("SELECT * FROM client WHERE region = :region ORDER BY created_at, id", {"region": region})


def add_client(connection: Connection, row: Row) -> None:
    """Add a sender; the row holds every column."""
    connection.insert("client", row)


def revoke_client(connection: Connection, region: str, client: str, at: int) -> bool:
    """Revoke a sender; False when there is no such sender, or it is revoked already."""
    changed = connection.run(
        "UPDATE client SET revoked_at = :at WHERE region = :region AND id = :id AND revoked_at IS NULL",
        {"region": region, "id": client, "at": at},
    )
    return changed == 1


def add_material(connection: Connection, row: Row) -> None:
    """Add an upload; the same content again changes nothing."""
    connection.run(
        "INSERT INTO material (region, key, size, media_type, client, created_at)"
        " VALUES (:region, :key, :size, :media_type, :client, :created_at) ON CONFLICT (region, key) DO NOTHING",
        row,
    )


def material_keys(connection: Connection, region: str, keys: frozenset[str]) -> frozenset[str]:
    """Those of the keys that name an upload."""
    found = set()
    for key in keys:
        if connection.row(
            "SELECT 1 AS one FROM material WHERE region = :region AND key = :key", {"region": region, "key": key}
        ):
            found.add(key)
    return frozenset(found)


def inbox(connection: Connection, region: str, source: str, message: str) -> Row | None:
    """What became of a message id, if it came before."""
    return connection.row(
        "SELECT digest, case_no, status FROM inbox WHERE region = :region AND source = :source AND id = :id",
        {"region": region, "source": source, "id": message},
    )


def key_check(connection: Connection, region: str) -> Row | None:
    """Proof and suite of the master key that the database was made with."""
    return connection.row(
        "SELECT proof, suite FROM key_check WHERE region = :region AND purpose = 'master'", {"region": region}
    )


def set_key_check(connection: Connection, region: str, proof: str, suite: str) -> None:
    """Note the master key that is in force from now on."""
    connection.run(
        "INSERT INTO key_check (region, purpose, proof, suite) VALUES (:region, 'master', :proof, :suite)"
        " ON CONFLICT (region, purpose) DO UPDATE SET proof = :proof, suite = :suite",
        {"region": region, "proof": proof, "suite": suite},
    )


def ring(connection: Connection, region: str, purpose: str) -> bytes | None:
    """A wrapped key of the database by its purpose."""
    row = connection.row(
        "SELECT sealed_key FROM key_ring WHERE region = :region AND purpose = :purpose",
        {"region": region, "purpose": purpose},
    )
    return bytes(row["sealed_key"]) if row else None


def set_ring(connection: Connection, region: str, purpose: str, wrapped: bytes) -> None:
    """Keep a wrapped key."""
    connection.run(
        "INSERT INTO key_ring (region, purpose, sealed_key) VALUES (:region, :purpose, :wrapped)"
        " ON CONFLICT (region, purpose) DO UPDATE SET sealed_key = :wrapped",
        {"region": region, "purpose": purpose, "wrapped": wrapped},
    )


def drop_ring(connection: Connection, region: str, purpose: str) -> None:
    """Forget a key of the ring."""
    connection.run(
        "DELETE FROM key_ring WHERE region = :region AND purpose = :purpose", {"region": region, "purpose": purpose}
    )
