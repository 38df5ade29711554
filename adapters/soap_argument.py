"""Interfaces with one string argument: an XML document in a string, or fixed widths cut by bytes.

Both are older than the WSDL that was put around them, and the WSDL says nothing of what the string holds. What does not fit is
refused before anything leaves: a cut value could name another person, and half a character is none.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from adapters.soap_envelope import SECRET_PLACE
from adapters.soap_table import CutResult, Segment, StringCutByBytes, XmlInString, XmlResult
from adapters.soap_xml import grown, leaf, parsed_text, tree, written
from adapters.text_encodings import Encoding, EncodingRefused, to_bytes, to_text
from contracts.errors import CredentialsError, OutcomeUnknownError, PermanentError
from contracts.records import Fields


def xml_argument(form: XmlInString, fields: Fields) -> dict[str, JsonValue]:
    """The one argument: a document with an element for each field. Raises PermanentError for text that XML cannot hold."""
    return {form.argument: written(grown(form.root, dict(fields)), form.inner_declaration)}


def xml_result(form: XmlInString | XmlResult, answer: Fields) -> dict[str, JsonValue]:
    """The fields of the document in an answer's one string. Raises OutcomeUnknownError."""
    name = form.result if isinstance(form, XmlInString) else form.name
    text = answer.get(name)
    if not isinstance(text, str) or not text.strip():
        raise OutcomeUnknownError("unreadable_answer", f"{name} holds no document")
    found = tree(parsed_text(text))
    if not isinstance(found, dict):
        raise OutcomeUnknownError("unreadable_answer", f"the document in {name} has no fields")
    return found


def cut_argument(
    form: StringCutByBytes, fields: Fields, *, reference: str, table: str | None, settings: Mapping[str, str]
) -> dict[str, JsonValue]:
    """The one argument, a place left open for the secret. Raises PermanentError (``field_too_long``, ``not_encodable``)."""
    values: dict[str, JsonValue] = {"reference": reference, "wire.table": table or ""}
    parts: list[str] = []
    for segment in form.segments:
        match segment.source:
            case "secret":
                parts.append(SECRET_PLACE)
                continue
            case "request":
                value = fields.get(segment.name)
            case "setting":
                value = settings.get(segment.name, segment.value)
            case _:
                value = values[segment.source]
        parts.append(_padded(form, segment, leaf(value)))
    return {form.argument: "".join(parts)}


def _padded(form: StringCutByBytes, segment: Segment, text: str) -> str:
    if SECRET_PLACE in text:
        raise PermanentError("not_encodable", f"{segment.name} holds a private use character")
    try:
        width = len(to_bytes(text, form.encoding))
    except EncodingRefused as error:
        raise PermanentError("not_encodable", f"{segment.name}: {error}") from error
    if width > segment.bytes:
        raise PermanentError(
            "field_too_long", f"{segment.name} holds more than {segment.bytes} bytes of {form.encoding}"
        )
    return _filled(form, text, segment.bytes - width)


def _filled(form: StringCutByBytes, text: str, missing: int) -> str:
    """Text is aligned left; a pad of zeros stands in front, as numbers have it."""
    return text + " " * missing if form.pad == "space" else "0" * missing + text


def padded_secret(form: StringCutByBytes, secret: str) -> str:
    """The secret as its segment carries it. Raises CredentialsError where it does not fit."""
    segment = next(one for one in form.segments if one.source == "secret")
    try:
        return _padded(form, segment, secret)
    except PermanentError as error:
        raise CredentialsError(
            "secret_too_long", f"the secret does not fit the {segment.bytes} bytes of {segment.name}"
        ) from error


def cut_result(form: StringCutByBytes, answer: Fields) -> dict[str, JsonValue]:
    """The fields of an answer's one string. Raises OutcomeUnknownError."""
    if isinstance(form.result, XmlResult):
        return xml_result(form.result, answer)
    return {name: text.strip() for name, text in cut(form.result, answer.get(form.result.name), form.encoding).items()}


def cut(form: CutResult, text: JsonValue, encoding: Encoding) -> dict[str, str]:
    """Each width by name, its padding kept. Raises OutcomeUnknownError for another length, or a cut inside a character."""
    if not isinstance(text, str):
        raise OutcomeUnknownError("unreadable_answer", f"{form.name} holds no text")
    found: dict[str, str] = {}
    try:
        content, at = to_bytes(text, encoding), 0
        for segment in form.segments:
            found[segment.name] = to_text(content[at : at + segment.bytes], encoding)
            at += segment.bytes
    except EncodingRefused as error:
        raise OutcomeUnknownError("unreadable_answer", f"{form.name} is not cut as agreed: {error}") from error
    if len(content) != at:
        raise OutcomeUnknownError("unreadable_answer", f"{form.name} holds {len(content)} bytes, {at} were agreed")
    return found
