"""The ``[systems.channels.soap]`` table of a department, and what its faults mean.

    [systems.channels.soap]
    base_path = "/YbService"
    wsdl = "wsdl/YB-insurance.wsdl"
    soap_version = "1.2"
    style = "document/literal"
    auth = { kind = "usernametoken", secrets = ["yb_user", "yb_password"], password = "digest" }
    reference = { in = "element", name = "LSH" }
    timeouts = { connect_seconds = 5, total_seconds = 30 }
    enquire_operation = "QueryResult"
    later_replies = "poll"
    poll = { operation = "QueryResultList", every_seconds = 1800, page_size = 100 }
    faults = { "Server.Busy" = "temporary" }

An operation says in ``wire.api``: ``operation``, its name in the WSDL, and, where names differ, the rows of its field map.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from adapters.rest_table import HeaderName, Timeouts, Verdict
from adapters.strict_tables import Strict
from adapters.text_encodings import Encoding

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,127}$")]
"""The local name of an element or of an operation."""


class SoapAuthKind(StrEnum):
    """How the hub proves who it is."""

    NONE = "none"
    USERNAMETOKEN = "usernametoken"
    X509 = "x509"
    API_KEY = "api_key"
    MTLS = "mtls"


_SECRETS_OF: Mapping[SoapAuthKind, int] = {
    SoapAuthKind.NONE: 0,
    SoapAuthKind.USERNAMETOKEN: 2,
    SoapAuthKind.X509: 1,
    SoapAuthKind.API_KEY: 1,
    SoapAuthKind.MTLS: 1,
}


class SoapAuth(Strict):
    """``secrets``: names; user and password, one key, or for mtls and x509 the private key in PEM.

    ``password``: as WS-Security UsernameToken sends it. ``timestamp_seconds``: a wsu:Timestamp that lives so long; None: none, but
    for x509, whose signature covers one, five minutes.
    ``place`` of an API key: an HTTP header called ``header``, or a segment of the one string argument.
    """

    kind: SoapAuthKind = SoapAuthKind.NONE
    secrets: tuple[str, ...] = ()
    password: Literal["digest", "text"] = "digest"  # noqa: S105 - a form, no secret
    timestamp_seconds: float | None = Field(default=None, gt=0, le=3600)
    place: Literal["header", "argument"] = "header"
    header: HeaderName = "X-Api-Key"

    @model_validator(mode="after")
    def _has_its_secrets(self) -> Self:
        wanted = _SECRETS_OF[self.kind]
        if len(self.secrets) != wanted:
            raise ValueError(f"auth of kind {self.kind} takes {wanted} names of secrets")
        return self


def no_room(what: str, characters: int, width: int) -> str:
    """What to do about a place that is too short for a delivery id. ``width``: as the reference declares it."""
    short = "say width = 32 in reference, which leaves the hyphens out"
    wide = 'have the department widen it, or say in = "connection" in reference if it answers at once'
    return f"{what} takes {characters} characters, and a delivery id has {width}: {short if 32 <= characters < width else wide}"


class SoapReference(Strict):
    """Where the delivery id travels: an element of the message, or nowhere (``connection``), and then the answer comes at once.

    ``echo``: the element of every answer that repeats it, ``name`` if nothing is said; ``wsa:RelatesTo`` does as well.
    ``width``: 36 characters, or 32 without hyphens.
    """

    place: Literal["element", "connection"] = Field(default="element", alias="in")
    name: Name = "LSH"
    echo: Name | None = None
    width: Literal[32, 36] = 36

    def written(self, delivery_id: UUID) -> str:
        """The delivery id as it travels."""
        return delivery_id.hex if self.width == 32 else str(delivery_id)


class SoapPoll(Strict):
    """How later answers are fetched: ``operation`` lists many behind a cursor; without it each delivery is enquired.

    The others are element names: of the request (``since``, ``limit``), of the answer (``rows`` holding ``row``, ``following``).
    """

    every_seconds: float = Field(default=600.0, gt=0)
    longest_seconds: float | None = Field(default=None, gt=0)
    operation: Name | None = None
    page_size: int = Field(default=200, ge=1, le=10_000)
    since: Name = "QSBH"
    limit: Name = "TS"
    rows: Name = "JGLB"
    following: Name = "XYBH"


class AnswerNames(Strict):
    """Element names and codes of an answer, beside the system's result field and the operation's reply fields.

    ``accepted``: the code that promises a result later. ``not_received``: the code with which an enquiry says that nothing came.
    ``wanted``: what a return asks for. ``operation``: whose result an entry of a list is, by the WSDL's name.
    """

    accepted: str = "5"
    not_received: str = "4"
    department_ref: Name = "SLBH"
    reason_code: Name = "THYY"
    wanted: Name = "BZXM"
    happened_at: Name = "CLSJ"
    operation: Name = "JKMC"

    @model_validator(mode="after")
    def _codes_differ(self) -> Self:
        if self.accepted == self.not_received:
            raise ValueError("accepted and not_received must be two codes")
        return self


class XmlInString(Strict):
    """One string argument holds an XML document: ``root`` with an element for each field. The answer is one string as well.

    ``inner_declaration``: the encoding that the document declares; characters outside it travel as numeric references.
    """

    kind: Literal["xml_in_string"]
    argument: Name
    result: Name
    inner_declaration: Encoding = "UTF-8"
    root: Name = "ROOT"


class Segment(Strict):
    """One fixed width of a string cut by bytes. ``from``: a request field of the same name, the delivery id, the secret,
    the operation's ``wire.api.table``, or ``values.<name>`` of the place's settings (``value`` where the place says nothing)."""

    name: Name
    bytes: int = Field(ge=1, le=4000)
    source: Literal["request", "reference", "secret", "wire.table", "setting"] = Field(default="request", alias="from")
    value: str | None = None


class ResultSegment(Strict):
    """One fixed width of an answer."""

    name: Name
    bytes: int = Field(ge=1, le=4000)


class XmlResult(Strict):
    """The answer of a string interface is an XML document."""

    kind: Literal["xml_in_string"] = "xml_in_string"
    name: Name = "return"
    inner_declaration: Encoding = "UTF-8"
    root: Name = "ROOT"


class CutResult(Strict):
    """The answer of a string interface is cut by bytes as well."""

    kind: Literal["string_cut_by_bytes"]
    name: Name = "return"
    segments: tuple[ResultSegment, ...] = Field(min_length=1)


class StringCutByBytes(Strict):
    """One string argument of fixed widths, counted in bytes of ``encoding``; what does not fit is refused, never cut."""

    kind: Literal["string_cut_by_bytes"]
    argument: Name
    encoding: Encoding = "GBK"
    pad: Literal["space", "zero"] = "space"
    segments: tuple[Segment, ...] = Field(min_length=1)
    result: Annotated[XmlResult | CutResult, Field(discriminator="kind")] = XmlResult()


class XsiTypes(Strict):
    """Every element says its type, as old RPC servers expect; with ``rpc/encoded`` always so."""

    kind: Literal["xsi_type_on_every_element"]


class CompactDates(Strict):
    """Dates travel as 20261123, months as 202611."""

    kind: Literal["dates_as_yyyymmdd"]


class SourceIpList(Strict):
    """The department lets only listed addresses in. A note to whoever installs: nothing of it shows in a message."""

    kind: Literal["source_ip_list"]


Quirk = Annotated[XmlInString | StringCutByBytes | XsiTypes | CompactDates | SourceIpList, Field(discriminator="kind")]


class SoapTable(Strict):
    """The whole table. ``wsdl``: a file below the department's folder. ``addressing``: send WS-Addressing Action and MessageID.

    ``separator``: joins a list where the WSDL has one text for it.
    """

    base_path: str = Field(default="", pattern=r"^(/[^\s?#]*[^\s?#/])?$")
    wsdl: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*([./][A-Za-z0-9_-]+)*\.wsdl$")
    soap_version: Literal["1.1", "1.2"] = "1.1"
    style: Literal["document/literal", "rpc/literal", "rpc/encoded"] = "document/literal"
    encoding: Encoding = "UTF-8"
    addressing: bool = True
    separator: str = Field(default=";", min_length=1, max_length=4)
    auth: SoapAuth = SoapAuth()
    reference: SoapReference = SoapReference()
    timeouts: Timeouts = Timeouts()
    enquire_operation: Name | None = None
    later_replies: Literal["none", "poll"] = "none"
    poll: SoapPoll | None = None
    answer: AnswerNames = AnswerNames()
    binding_quirks: tuple[Quirk, ...] = ()
    faults: Mapping[str, Verdict] = Field(default_factory=dict)
    status: Mapping[int, Verdict] = Field(default_factory=dict)
    max_answer_bytes: int = Field(default=2_000_000, ge=1)

    @property
    def argument(self) -> XmlInString | StringCutByBytes | None:
        """How the one string argument is made, where the interface has only that."""
        return next((quirk for quirk in self.binding_quirks if isinstance(quirk, XmlInString | StringCutByBytes)), None)

    @property
    def echo(self) -> str:
        """The element of an answer that repeats the delivery id."""
        return self.reference.echo or self.reference.name

    def has(self, quirk: type[XsiTypes | CompactDates]) -> bool:
        """Whether the interface has that habit."""
        return any(isinstance(one, quirk) for one in self.binding_quirks)

    @model_validator(mode="after")
    def _has_a_way_back(self) -> Self:
        listed = self.poll is not None and self.poll.operation is not None
        if self.later_replies == "poll" and not (self.enquire_operation or listed):
            raise ValueError("later_replies = poll needs enquire_operation or poll.operation")
        if self.reference.place == "connection" and (self.later_replies != "none" or self.enquire_operation):
            raise ValueError("a connection as reference must bring the answer at once: no later_replies, no enquiry")
        if any(not 300 <= status <= 599 for status in self.status):
            raise ValueError("the status table takes 300 to 599: what a 2xx means is in its envelope")
        return self

    @model_validator(mode="after")
    def _quirks_agree(self) -> Self:
        kinds = [quirk.kind for quirk in self.binding_quirks]
        if len(set(kinds)) != len(kinds) or {"xml_in_string", "string_cut_by_bytes"} <= set(kinds):
            raise ValueError("binding_quirks: one of a kind, and one way to fill the string argument")
        cut = self.argument if isinstance(self.argument, StringCutByBytes) else None
        sources = [segment.source for segment in cut.segments] if cut else []
        in_argument = self.auth.kind is SoapAuthKind.API_KEY and self.auth.place == "argument"
        if sources.count("secret") != int(in_argument):
            raise ValueError("one segment from secret goes together with auth = api_key in the argument")
        if cut and (sources.count("reference") == 1) != (self.reference.place == "element"):
            raise ValueError("a string cut by bytes has one segment from reference, or its reference is the connection")
        for segment in cut.segments if cut else ():
            if segment.source == "reference" and segment.bytes < self.reference.width:
                raise ValueError(no_room(f"the segment {segment.name}", segment.bytes, self.reference.width))
        return self


class SoapWire(Strict):
    """``wire.api`` of an operation. ``request`` and ``reply``: rows of the field map, where names differ.

    ``table``: what a segment from ``wire.table`` carries.
    """

    operation: Name
    table: str | None = None
    request: Mapping[str, str] = Field(default_factory=dict)
    reply: Mapping[str, str] = Field(default_factory=dict)
