"""The paths of the API about paper: bulk prints, handover lists, scanned pages."""

from contracts.openapi_parts import LIMIT, WRITES, Json, answer, call, content, path, query

_JSON = "application/json"
_PDF = "application/pdf"
_ASKS = (401, 403, 404, 429)
_PRINT_NUMBER: Json = {"X-Print-Number": {"description": "Which print it is, from 1", "schema": {"type": "integer"}}}


def paper_paths() -> Json:
    """Every path by its address."""
    return {"/v1/tasks/print": {"post": _print_many()}, **_handovers(), **_scans()}


def _print_many() -> Json:
    return call(
        "printSheets",
        "Print many task sheets as one file; all prints are counted, or none",
        "paper",
        body=content({_JSON: "PrintRequest"}),
        answers={200: answer("The sheets in the order asked for.", _PDF, None)},
        errors=(404, *WRITES),
    )


def _handovers() -> Json:
    number = path("number", "The number of the list 清单编号", "^JJ[0-9]{21}$")
    one = {200: answer("The list as it stands now.", _JSON, "HandoverView")}
    return {
        "/v1/handovers": {
            "get": call(
                "listHandovers",
                "Handover lists 交接清单",
                "paper",
                parameters=[
                    query("state", "Only in this state: open, out, closed or cancelled"),
                    query("department", "Only to this department"),
                    query("overdue", "true: only those whose sheets should be back"),
                    LIMIT,
                ],
                answers={200: answer("The newest first.", _JSON, "HandoverLists")},
                errors=(400, 401, 403, 429),
            ),
            "post": call(
                "makeHandover",
                "Make a list of the printed sheets that wait for a department",
                "paper",
                body=content({_JSON: "HandoverRequest"}),
                answers={201: answer("The list.", _JSON, "HandoverView")},
                errors=WRITES,
            ),
        },
        "/v1/handovers/in": {
            "post": call(
                "takeIn",
                "Sheets came back: scanned in, of whatever list",
                "paper",
                body=content({_JSON: "TakingIn"}),
                answers={200: answer("Which are back, and what was strange.", _JSON, "TakenIn")},
                errors=WRITES,
            )
        },
        "/v1/handovers/{number}": {
            "get": call("readHandover", "One list", "paper", parameters=[number], answers=one, errors=_ASKS)
        },
        "/v1/handovers/{number}/print": {
            "post": call(
                "printHandover",
                "Print a list, a copy for either side",
                "paper",
                parameters=[number],
                answers={200: answer("The list, ready for paper.", _PDF, None, _PRINT_NUMBER)},
                errors=(401, 403, 404, 409, 503),
            )
        },
        **{
            f"/v1/handovers/{{number}}/{name}": {
                "post": call(
                    operation,
                    summary,
                    "paper",
                    parameters=[number],
                    body=content({_JSON: body}),
                    answers=one,
                    errors=(404, *WRITES),
                )
            }
            for name, operation, summary, body in (
                ("out", "handOut", "The courier takes the list; what was not scanned stays behind", "HandingOver"),
                ("lost", "loseSheet", "A sheet that was taken is given up for lost", "HandoverNote"),
                ("cancel", "cancelHandover", "Give up a list that has not left", "HandoverNote"),
            )
        },
    }


def _scans() -> Json:
    scan = path("id", "The id of the scanned file", "^[0-9a-f-]{36}$")
    page = path("page", "Which page of it, from 1", "^[0-9]{1,4}$")
    one = answer("The file as far as it is read.", _JSON, "ScanView")
    binary: Json = {"schema": {"type": "string", "format": "binary"}}
    return {
        "/v1/scans": {
            "get": call(
                "listScans",
                "Scanned files",
                "paper",
                parameters=[query("odd", "true: only those that need a person"), LIMIT],
                answers={200: answer("The newest first, without their pages.", _JSON, "ScanList")},
                errors=(400, 401, 403, 429),
            ),
            "post": call(
                "dropScan",
                "Drop in a file of scanned pages (PDF, PNG, JPEG, TIFF)",
                "paper",
                parameters=[
                    query(
                        "centre", "The desk it is dropped at; may be left out where the key reaches one centre, or all"
                    ),
                    query("by", "Who scanned it: a reference, never a name"),
                ],
                body={"required": True, "content": {"*/*": binary}},
                answers={
                    202: answer(
                        "Stored; its pages are read now. The same file again is the same scan.", _JSON, "ScanView"
                    )
                },
                errors=(400, 401, 403, 408, 413, 415, 422, 429, 503),
            ),
        },
        "/v1/scans/{id}": {
            "get": call(
                "readScan", "One file and its pages", "paper", parameters=[scan], answers={200: one}, errors=_ASKS
            )
        },
        "/v1/scans/{id}/file": {
            "get": call(
                "readScannedFile",
                "The file as it was dropped in, to be saved",
                "paper",
                parameters=[scan],
                answers={200: {"description": "The file.", "content": {"*/*": binary}}},
                errors=_ASKS,
            )
        },
        "/v1/scans/{id}/pages/{page}": {
            "get": call(
                "readScannedPage",
                "The picture of a page, drawn anew",
                "paper",
                parameters=[scan, page],
                answers={200: {"description": "The picture.", "content": {"image/jpeg": binary}}},
                errors=_ASKS,
            ),
            "post": call(
                "settleScannedPage",
                "Say whose page it is, or dismiss it",
                "paper",
                parameters=[scan, page],
                body=content({_JSON: "ScanNote"}),
                answers={200: one},
                errors=(404, *WRITES),
            ),
        },
    }
