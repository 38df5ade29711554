"""The HTTP API as an OpenAPI 3.1 document. The schemas come from the records; what is written here are paths and answers."""

from collections.abc import Mapping, Sequence

from contracts.envelope import CASE_TYPE, EVENT_TYPE
from contracts.openapi_paper import paper_paths
from contracts.openapi_parts import LIMIT, WRITES, Json, answer, call, content, path, query, ref

CLOUDEVENT = "application/cloudevents+json"
JSON = "application/json"
LINES = "application/x-ndjson"
PROBLEM = "application/problem+json"

ABOUT = """
Onedoor takes the cases of a service centre, carries each to every department that must act on it and keeps what they answer.

An answer of 202 means that the message is on disk. Sending the same message again - the same source and id, the same content - gives the
same answer and has no second effect; the same source and id with another content is refused with 409. So whoever got no answer sends again.
""".strip()

ERRORS: Mapping[int, str] = {
    400: "Not readable, or fields that are wrong; all of them are named and nothing was stored.",
    401: "No key, or one that does not count any more.",
    403: "The key does not cover this centre, item or source.",
    404: "Not there, or outside what the key covers.",
    408: "The body did not arrive in time. Send again.",
    409: "In contradiction to what is stored: other content under the same id, or a state in which this cannot happen.",
    413: "Too large.",
    415: "A media type that is not taken here.",
    422: "Readable, but the rules of the item or of the case do not allow it; every reason is named.",
    429: "Too much at once. Send again after Retry-After seconds.",
    503: "Nothing can be stored at the moment. Send again after Retry-After seconds.",
}

_RETRY_AFTER: Json = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}}}
_PRINT_NUMBER: Json = {
    "X-Print-Number": {"description": "Which print of this version it is, from 1", "schema": {"type": "integer"}}
}


def openapi_document(schemas: Json) -> Json:
    """The whole document. ``schemas``: JSON Schemas by name, with references to ``#/components/schemas``."""
    return {
        "openapi": "3.1.1",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Onedoor",
            "version": "1",
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "tags": [
            {"name": "cases", "description": "Cases, their events and their papers"},
            {"name": "tasks", "description": "Work for people: tasks of the centre and task sheets"},
            {"name": "paper", "description": "What leaves the house on paper, and what comes back"},
            {"name": "departments", "description": "Calls from departments"},
            {"name": "operation", "description": "For those who run the hub"},
        ],
        "paths": {**_cases(), **_tasks(), **paper_paths(), **_departments(), **_operation()},
        "components": {
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key made by `onedoor clients create`; it covers certain centres, items and sources.",
                }
            },
            "responses": {f"Error{status}": _error(status) for status in ERRORS},
            "schemas": {
                **schemas,
                "CaseEnvelope": _event_of(CASE_TYPE, "CaseApplication"),
                "CaseEventEnvelope": _event_of(EVENT_TYPE, "CaseEvent"),
            },
        },
    }


def _cases() -> Json:
    return {
        "/v1/cases": {
            "post": call(
                "receiveCase",
                "Hand in one case",
                "cases",
                parameters=_binary_mode(CASE_TYPE),
                body=content({CLOUDEVENT: "CaseEnvelope", JSON: "CaseApplication"}),
                answers={202: answer("The case is received 收件.", JSON, "Receipt")},
                errors=WRITES,
            )
        },
        "/v1/cases/batch": {
            "post": call(
                "receiveCases",
                "Hand in many cases, a CloudEvent a line",
                "cases",
                body={
                    "required": True,
                    "content": {LINES: {"schema": {"type": "string", "description": "Lines of CaseEnvelope"}}},
                },
                answers={
                    200: answer(
                        "A verdict for each line, in their order; each line stands on its own.", LINES, "LineVerdict"
                    )
                },
                errors=(400, 401, 403, 408, 413, 415, 429, 503),
            )
        },
        "/v1/materials": {
            "post": call(
                "uploadMaterial",
                "Upload a scan; the case then carries its key",
                "cases",
                body={"required": True, "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}},
                answers={
                    200: answer(
                        "The file is stored, encrypted. The same bytes give the same key.", JSON, "MaterialReceipt"
                    )
                },
                errors=(400, 401, 403, 408, 413, 415, 429, 503),
            )
        },
        "/v1/cases/{case_no}/events": {
            "post": call(
                "sendCaseEvent",
                "Tell what the centre or the applicant did with a case",
                "cases",
                parameters=[path("case_no", "The case number 办件编号", "^[0-9]{24}$"), *_binary_mode(EVENT_TYPE)],
                body=content({CLOUDEVENT: "CaseEventEnvelope", JSON: "CaseEvent"}),
                answers={202: answer("The event is stored and has happened.", JSON, "Receipt")},
                errors=(404, *WRITES),
            )
        },
        "/v1/cases/{case_no}": {
            "get": call(
                "readCase",
                "One case with its steps, deliveries, attempts, tasks and journal",
                "cases",
                parameters=[path("case_no", "The case number 办件编号", "^[0-9]{24}$")],
                answers={200: answer("The case as it stands.", JSON, "CaseView")},
                errors=(401, 403, 404, 429),
            )
        },
    }


def _tasks() -> Json:
    task = path("id", "The id of the task, or the 12 characters of a sheet number", "^[0-9A-Za-z-]{12,36}$")
    return {
        "/v1/tasks": {
            "get": call(
                "listTasks",
                "Tasks that people have to do",
                "tasks",
                parameters=[
                    query("kind", "Only of this kind, such as review, deliver or sheet"),
                    query("state", "Only in this state, such as ready or reserved"),
                    query("system", "Only sheets of this system"),
                    LIMIT,
                ],
                answers={200: answer("The most urgent first.", JSON, "TaskList")},
                errors=(400, 401, 403, 429),
            )
        },
        "/v1/tasks/{id}/complete": {
            "post": call(
                "completeTask",
                "End a task, or key the result of a stamped sheet",
                "tasks",
                parameters=[task],
                body=content({JSON: "TaskCompletion"}),
                answers={200: answer("The task is completed, or waits for the second person.", JSON, "Receipt")},
                errors=(404, *WRITES),
            )
        },
        "/v1/tasks/{id}/print": {
            "post": call(
                "printSheet",
                "Print a task sheet; every print is counted and says which one it is",
                "tasks",
                parameters=[task],
                answers={200: answer("The sheet, ready for paper.", "application/pdf", None, _PRINT_NUMBER)},
                errors=(401, 403, 404, 409, 503),
            )
        },
    }


def _departments() -> Json:
    answer: Json = {
        "description": "In the form that the department understands: taken after the commit, refused, or to be sent again."
    }
    return {
        "/v1/callbacks/{system}": {
            "post": {
                "operationId": "receiveCallback",
                "summary": "A department answers later",
                "description": "Authenticated in the way that the system's channel declares, not by a key of ours.",
                "tags": ["departments"],
                "security": [],
                "parameters": [path("system", "The system that calls, such as MZ-relief", "^[A-Za-z0-9-]{1,64}$")],
                "requestBody": {
                    "required": True,
                    "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
                },
                "responses": {
                    "200": answer,
                    "404": {"$ref": "#/components/responses/Error404"},
                    "413": {"$ref": "#/components/responses/Error413"},
                    "503": {"$ref": "#/components/responses/Error503"},
                    "default": answer,
                },
            }
        }
    }


def _operation() -> Json:
    open_to_all: Json = {"security": []}
    return {
        "/healthz": {
            "get": call(
                "health", "The process lives", "operation", answers={200: answer("It does.", "text/plain", None)}
            )
            | open_to_all
        },
        "/readyz": {
            "get": call(
                "readiness",
                "Cases can be stored",
                "operation",
                answers={200: answer("They can.", "text/plain", None)},
                errors=(503,),
            )
            | open_to_all
        },
        "/metrics": {
            "get": call(
                "metrics",
                "Metrics in the Prometheus text format",
                "operation",
                answers={200: answer("All metrics.", "text/plain", None)},
            )
            | open_to_all
        },
    }


def _error(status: int) -> Json:
    return answer(ERRORS[status], PROBLEM, "Problem", _RETRY_AFTER if status in {429, 503} else None)


def _event_of(event_type: str, data: str) -> Json:
    """A CloudEvent in structured mode with its data."""
    return {
        "description": f"A CloudEvent that carries a {data}",
        "allOf": [
            ref("Envelope"),
            {"type": "object", "properties": {"type": {"const": event_type}, "data": ref(data)}, "required": ["data"]},
        ],
    }


def _binary_mode(event_type: str) -> list[Json]:
    """The CloudEvents attributes as headers, for a body that is only the data (application/json)."""
    headers: Sequence[tuple[str, str, Json]] = (
        ("ce-specversion", "Binary mode", {"type": "string", "const": "1.0"}),
        ("ce-id", "Binary mode: the sender's id of the message", {"type": "string", "minLength": 1}),
        ("ce-source", "Binary mode: who sends, as a URI reference", {"type": "string", "format": "uri-reference"}),
        ("ce-type", "Binary mode", {"type": "string", "const": event_type}),
        ("ce-time", "Binary mode: when it happened at the sender", {"type": "string", "format": "date-time"}),
    )
    return [{"name": name, "in": "header", "description": says, "schema": schema} for name, says, schema in headers]
