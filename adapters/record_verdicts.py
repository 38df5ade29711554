"""What reading and writing record files can end in, shared by every layout."""

from contracts.records import record


class FileRejected(Exception):
    """Nothing of the file may be used. ``code`` is countable; ``detail`` holds nothing of the content."""

    def __init__(self, code: str, detail: str = "") -> None:
        """``code``: truncated, header, trailer, rows, md5, sha256, bytes, name, control_file, zip_crc .."""
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class RecordRefused(ValueError):
    """Values that the layout cannot carry exactly. The message never holds them."""


class NotEncodable(RecordRefused):
    """A value with a character that the declared encoding does not have."""


@record
class Line:
    """One record of a file and its verdict: ``values``, or the reason why there are none in ``bad``. ``number`` is 1-based.

    ``first`` is the first value where at least that could be read, so that a bad line may still be laid to a delivery.
    """

    number: int
    values: tuple[str, ...] = ()
    bad: str = ""
    first: str = ""
