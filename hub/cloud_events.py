"""CloudEvents 1.0.2 over HTTP: structured and binary mode into one message whose canonical form is the same in both.

HTTP protocol binding, section 3.1 (binary) and 3.2 (structured). Only JSON data; batched mode is ours (NDJSON).
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import unquote

import orjson
from pydantic import ValidationError

from contracts.api import BadField
from contracts.envelope import Envelope
from contracts.errors import OnedoorError
from contracts.records import adapter, record
from hub.masking import is_field_name

T = TypeVar("T")

STRUCTURED = "application/cloudevents+json"
JSON = "application/json"

MAX_ATTRIBUTES = 40
MAX_ID_LENGTH = 128
MAX_ATTRIBUTE_LENGTH = 512
"""Characters. An id or a source that is longer is no key."""

_NAME = re.compile(r"[a-z0-9]{1,64}")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""What section 3.1.1.1 of the CloudEvents type system keeps out of strings: controls, surrogates, noncharacters."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_REQUIRED = ("specversion", "id", "source", "type")
_KNOWN = frozenset({"id", "source", "type", "specversion", "time", "subject", "datacontenttype", "dataschema"})
_TRACING = frozenset({"traceparent", "tracestate"})
_QUOTED_PAIR = re.compile(r"\\(.)")


class BadMessage(OnedoorError):
    """A message that cannot be read; ``errors`` names every bad field without its value."""

    def __init__(self, detail: str, errors: tuple[BadField, ...] = ()) -> None:
        """``detail``: one sentence."""
        super().__init__(detail)
        self.errors = errors


class BadData(BadMessage):
    """A message that can be read, but whose data are wrong (422)."""


class WrongMediaType(OnedoorError):
    """The content type is none that this address takes (415)."""


@record
class Message:
    """An envelope as it arrived. ``canonical`` is what its digest is made of; ``pointer`` is where in the body the data stand.

    ``traceparent``: as the message, or else the request that brought it, names it; no part of the content.
    """

    envelope: Envelope
    canonical: bytes
    pointer: str
    traceparent: str | None = None


def read_message(content_type: str, headers: Iterable[tuple[str, str]], body: bytes) -> Message:
    """One message from an HTTP request, whichever mode it came in. Raises BadMessage, WrongMediaType.

    ``headers``: all of them in any case; only ``ce-`` ones and ``traceparent`` are read. ``content_type``: the whole header value.
    """
    media_type = media_type_of(content_type)
    given = list(headers)
    if media_type == STRUCTURED:
        message = read_structured(body)
    elif media_type == JSON:
        message = _read_binary(given, body)
    else:
        raise WrongMediaType(f"send {STRUCTURED} (structured mode) or {JSON} with ce- headers (binary mode)")
    if message.traceparent:
        return message
    of_request = next((value for name, value in given if len(name) == 11 and name.lower() == "traceparent"), None)
    return message if of_request is None else replace(message, traceparent=of_request)


def media_type_of(content_type: str) -> str:
    """The media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def read_structured(body: bytes) -> Message:
    """A message in structured mode. Raises BadMessage."""
    document = parse_json(body)
    if not isinstance(document, dict):
        raise BadMessage("the body must be one JSON object", (BadField(pointer="", message="not an object"),))
    encoded = document.pop("data_base64", None)
    data = document.pop("data", None)
    if encoded is not None:
        if data is not None or not isinstance(encoded, str):
            raise _bad("/data_base64", "give either data or data_base64, the latter as a string")
        data = _decoded(encoded)
    attributes = {}
    for name, value in document.items():
        if value is None:
            continue  # section 2 of the JSON format: null is the same as absent
        if not isinstance(value, str | bool | int):
            raise _bad(f"/{_escaped(name)}", "an attribute is a string, a boolean or an integer")
        # Section 3 of the type system: the one string form of a boolean and an integer.
        attributes[name] = value if isinstance(value, str) else orjson.dumps(value).decode()
    return _message(attributes, data, "/data")


def _read_binary(headers: Iterable[tuple[str, str]], body: bytes) -> Message:
    attributes: dict[str, str] = {}
    for header, value in headers:
        lowered = header.lower()
        if lowered.startswith("ce-"):
            name = lowered[3:]
            if name in attributes:
                raise _bad(f"/{_escaped(name)}", "the ce- header is given twice")
            attributes[name] = _header_value(name, value)
    if "datacontenttype" in attributes:
        raise _bad("/datacontenttype", "in binary mode this is the Content-Type header")
    return _message(attributes, parse_json(body), "")


def _message(attributes: dict[str, str], data: Any, data_pointer: str) -> Message:
    """The message of either mode. ``data_pointer`` is where in the body the data stand."""
    errors = list(_attribute_errors(attributes))
    declared = media_type_of(attributes.pop("datacontenttype", JSON))
    if declared != JSON:
        errors.append(BadField(pointer="/datacontenttype", message=f"only {JSON} is taken"))
    if not isinstance(data, dict):
        errors.append(BadField(pointer=data_pointer, message="the data must be a JSON object"))
    if errors:
        raise BadMessage("the envelope is not a CloudEvents 1.0 message", tuple(errors))
    time = attributes.get("time")
    envelope = Envelope(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        specversion=attributes["specversion"],
        time=datetime.fromisoformat(time.upper()) if time else None,
        subject=attributes.get("subject"),
        datacontenttype=JSON,
        dataschema=attributes.get("dataschema"),
        extensions={name: value for name, value in attributes.items() if name not in _KNOWN},
        data=data,
    )
    return Message(
        envelope=envelope,
        canonical=_canonical(attributes, data),
        pointer=data_pointer,
        traceparent=attributes.get("traceparent"),
    )


def message_of(envelope: Envelope) -> Message:
    """An envelope made in this process, as the message that it would have arrived in."""
    named = {"id": envelope.id, "source": envelope.source, "type": envelope.type, "specversion": envelope.specversion}
    optional = {
        "time": envelope.time.isoformat() if envelope.time else None,
        "subject": envelope.subject,
        "dataschema": envelope.dataschema,
    }
    attributes = {
        **envelope.extensions,
        **named,
        **{name: value for name, value in optional.items() if value is not None},
    }
    return Message(envelope=envelope, canonical=_canonical(attributes, envelope.data), pointer="")


def _attribute_errors(attributes: Mapping[str, str]) -> Iterable[BadField]:
    if len(attributes) > MAX_ATTRIBUTES:
        yield BadField(pointer="", message=f"more than {MAX_ATTRIBUTES} attributes")
    for name in _REQUIRED:
        if not attributes.get(name):
            yield BadField(pointer=f"/{name}", message="required")
    if attributes.get("specversion", "1.0") != "1.0":
        yield BadField(pointer="/specversion", message="must be 1.0")
    if len(attributes.get("id", "")) > MAX_ID_LENGTH:
        yield BadField(pointer="/id", message=f"longer than {MAX_ID_LENGTH} characters")
    for name, value in attributes.items():
        if name not in _KNOWN and not _NAME.fullmatch(name):
            yield BadField(
                pointer=f"/{_escaped(name)}", message="an attribute name has lower-case letters and digits only"
            )
        if len(value) > MAX_ATTRIBUTE_LENGTH:
            yield BadField(pointer=f"/{_escaped(name)}", message=f"longer than {MAX_ATTRIBUTE_LENGTH} characters")
        if not (value.isascii() and value.isprintable()) and _FORBIDDEN.search(value):
            yield BadField(pointer=f"/{_escaped(name)}", message="holds a control character or an invalid one")
    time = attributes.get("time")
    if time is not None and not _is_time(time):
        yield BadField(pointer="/time", message="must be an RFC 3339 date and time with an offset")


def _is_time(text: str) -> bool:
    if not _TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text.upper())
    except ValueError:
        return False
    return True


def _header_value(name: str, value: str) -> str:
    """Section 3.1.3.2: a quoted string is unquoted first, then percent-encoding is decoded once, strictly."""
    if len(value) >= 2 and value.startswith('"') and value.endswith('"'):
        value = _QUOTED_PAIR.sub(r"\1", value[1:-1])
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError as error:
        raise _bad(f"/{_escaped(name)}", "the percent-encoding is not UTF-8") from error


def _decoded(encoded: str) -> Any:
    try:
        return parse_json(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError) as error:
        raise _bad("/data_base64", "not base64") from error


def parse_json(body: bytes) -> Any:
    """Strict JSON: UTF-8, no NaN, bounded depth. Raises BadMessage without any of the content."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadMessage(f"the body is not JSON: line {error.lineno}, column {error.colno}") from error


def _canonical(attributes: Mapping[str, str], data: Any) -> bytes:
    """The one form of a message: keys sorted, no spaces, UTF-8. Raises BadMessage when it is nested too deeply.

    The attributes of distributed tracing are left out: the same message sent again belongs to another request.
    """
    told = {name: value for name, value in attributes.items() if name not in _TRACING}
    try:
        return orjson.dumps({"attributes": told, "data": data}, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise BadMessage("the data are nested too deeply") from error


def read_data(of: type[T], data: Any, pointer: str = "") -> T:
    """The data as a record of type ``of``. Raises BadData naming every bad field; ``pointer`` is where the data stand."""
    try:
        return adapter(of).validate_python(data)
    except ValidationError as error:
        found = tuple(
            BadField(pointer=pointer + "".join(f"/{_shown(part)}" for part in one["loc"]), message=one["msg"])
            for one in error.errors(include_url=False, include_context=False, include_input=False)
        )
        raise BadData("the data do not have the form that their type asks for", found) from error


def _shown(part: str | int) -> str:
    """A part of a path; a name that the sender made up is shown only where it can be nothing but a name."""
    return _escaped(str(part)) if isinstance(part, int) or is_field_name(part) else "*"


def _bad(pointer: str, message: str) -> BadMessage:
    return BadMessage("the envelope is not a CloudEvents 1.0 message", (BadField(pointer=pointer, message=message),))


def _escaped(name: str) -> str:
    """A key as a reference token of RFC 6901; cut, since a sender chooses it."""
    return name[:64].replace("~", "~0").replace("/", "~1")
