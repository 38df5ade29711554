"""The parts that every path of the OpenAPI document is made of."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from pydantic import JsonValue

Json: TypeAlias = dict[str, JsonValue]

WRITES = (400, 401, 403, 408, 409, 413, 415, 422, 429, 503)
"""What every call that stores something may be refused with."""


def call(
    operation: str,
    summary: str,
    tag: str,
    *,
    answers: Mapping[int, Json],
    errors: Sequence[int] = (),
    parameters: Sequence[Json] = (),
    body: Json | None = None,
) -> Json:
    """An operation. ``errors``: statuses of ``ERRORS`` that it may be refused with."""
    responses: Json = {str(status): answer for status, answer in answers.items()}
    responses |= {str(status): {"$ref": f"#/components/responses/Error{status}"} for status in sorted(errors)}
    call: Json = {"operationId": operation, "summary": summary, "tags": [tag]}
    if parameters:
        call["parameters"] = list(parameters)
    if body is not None:
        call["requestBody"] = body
    call["responses"] = responses
    return call


def answer(says: str, media_type: str, schema: str | None, headers: Json | None = None) -> Json:
    """An answer; ``schema`` None: text or bytes."""
    answer: Json = {
        "description": says,
        "content": {media_type: {"schema": ref(schema) if schema else {"type": "string"}}},
    }
    if headers is not None:
        answer["headers"] = headers
    return answer


def content(schemas: Mapping[str, str]) -> Json:
    """A body: media type to the name of its schema."""
    return {"required": True, "content": {media_type: {"schema": ref(name)} for media_type, name in schemas.items()}}


def ref(name: str) -> Json:
    """A reference to a schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def path(name: str, says: str, pattern: str) -> Json:
    """A parameter in the path."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": says,
        "schema": {"type": "string", "pattern": pattern},
    }


def query(name: str, says: str, schema: Json | None = None) -> Json:
    """A parameter of the query, a string unless ``schema`` says otherwise."""
    return {"name": name, "in": "query", "description": says, "schema": schema or {"type": "string"}}


LIMIT = query("limit", "At most so many", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100})
"""How many of a listing."""
