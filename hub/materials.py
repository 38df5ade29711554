"""Papers by Claim Check: a scan is uploaded first, stored encrypted, and the case carries only its key."""

from typing import TYPE_CHECKING

from contracts.api import MaterialReceipt
from hub.city import milliseconds
from hub.clients import Client, Right
from hub.cloud_events import WrongMediaType, media_type_of
from hub.intake import require
from hub.store import registry

if TYPE_CHECKING:
    from hub.app import Hub

MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "application/pdf"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
"""What a scanner makes, by its first bytes. The sender's word for it is compared, never believed."""

UNDECLARED = frozenset({"", "application/octet-stream"})


async def upload(hub: "Hub", client: Client, content: bytes, declared: str) -> MaterialReceipt:
    """Store a paper; the same bytes give the same key. Raises WrongMediaType, Forbidden, StoreUnavailable.

    The file is on disk before the row that names it: a crash between them leaves a file that nothing refers to.
    """
    require(client, Right.SUBMIT)
    media_type = sniffed(content)
    said = media_type_of(declared)
    if media_type is None or (said not in UNDECLARED and said != media_type):
        raise WrongMediaType("send a PDF, JPEG, PNG or TIFF file, with its own media type")
    key = await hub.runtime.in_thread(hub.blobs.put, content)
    row = {
        "region": hub.city.region,
        "key": key,
        "size": len(content),
        "media_type": media_type,
        "client": client.id,
        "created_at": milliseconds(hub.runtime.now()),
    }
    await hub.commit("upload", lambda connection: registry.add_material(connection, row))
    return MaterialReceipt(key=key, size=len(content), media_type=media_type)


def sniffed(content: bytes) -> str | None:
    """The media type by the first bytes; None for anything that is not a scan."""
    return next((media_type for magic, media_type in MAGIC if content.startswith(magic)), None)
