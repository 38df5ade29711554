"""A channel's table held against its WSDL while the site is checked, and not when the first message waits."""

from collections.abc import Iterator, Mapping

from adapters.soap_answers import SoapOperation
from adapters.soap_port import Port
from adapters.soap_table import SoapTable, StringCutByBytes, XmlInString, no_room
from adapters.soap_wsdl import Bundle, WsdlError, declared, read_port


def checked_port(bundle: Bundle, table: SoapTable, operations: Mapping[str, SoapOperation], result_field: str) -> Port:
    """The port of the table. Raises WsdlError with every operation, or every element, that is missing."""
    _check_names(declared(bundle, table), table, operations, bundle)
    port = read_port(bundle, table)
    _check_names(port.names, table, operations, bundle)
    missing = [
        f"{name} has no {way} element {element}"
        for name, way, wanted, has in _wanted(port, table, operations, result_field)
        for element in sorted(wanted - has)
    ]
    wrong = [*missing, *_too_short(port, table, operations)]
    if wrong:
        raise WsdlError(f"{bundle.path.name}: {'; '.join(wrong)}")
    return port


def _too_short(port: Port, table: SoapTable, operations: Mapping[str, SoapOperation]) -> Iterator[str]:
    """The elements that carry the delivery id, and have no room for it."""
    if table.reference.place != "element" or table.argument is not None:
        return
    asked = [found.wire.operation for found in operations.values()]
    for name in dict.fromkeys([*asked, *filter(None, [table.enquire_operation])]):
        for place, reply in ((table.reference.name, False), (table.echo, True)):
            most = port.facets(name, place, reply=reply).max_length
            if most is not None and most < table.reference.width:
                way = "reply" if reply else "request"
                yield no_room(f"{name}: the {way} element {place}", most, table.reference.width)


def _check_names(
    known: frozenset[str] | None, table: SoapTable, operations: Mapping[str, SoapOperation], bundle: Bundle
) -> None:
    asked = {found.wire.operation for found in operations.values()} | set(_asking(table))
    if known is not None and asked - known:
        raise WsdlError(f"{bundle.path.name} has no operation {', '.join(sorted(asked - known))} in that binding")


def _asking(table: SoapTable) -> Iterator[str]:
    if table.enquire_operation:
        yield table.enquire_operation
    if table.poll and table.poll.operation:
        yield table.poll.operation


def _wanted(
    port: Port, table: SoapTable, operations: Mapping[str, SoapOperation], result_field: str
) -> Iterator[tuple[str, str, set[str], frozenset[str]]]:
    """By operation and direction, the elements that must be there and those that are; rows of a field map show when they run."""
    told = {result_field} | ({table.echo} if table.reference.place == "element" else set())
    told = {place.partition(".")[0] for place in told}
    asked = {table.reference.name} if table.reference.place == "element" else set()
    for found in operations.values():
        name, wire, operation = found.wire.operation, found.wire, found.operation
        fields = set() if wire.request else {field.name for field in operation.request}
        reply = {field.name for field in operation.reply if field.name not in wire.reply}
        yield name, "request", _carried(table, asked | fields, "request"), port.request_names(name)
        yield name, "reply", _carried(table, told | reply, "reply"), port.reply_names(name)
    if table.enquire_operation:
        name = table.enquire_operation
        yield name, "request", _carried(table, asked, "request"), port.request_names(name)
        yield name, "reply", _carried(table, told, "reply"), port.reply_names(name)
    if table.poll and table.poll.operation:
        name, poll = table.poll.operation, table.poll
        yield name, "request", _carried(table, {poll.since, poll.limit}, "request"), port.request_names(name)
        yield name, "reply", _carried(table, {poll.rows, poll.following}, "reply"), port.reply_names(name)


def _carried(table: SoapTable, fields: set[str], way: str) -> set[str]:
    """What of it the WSDL sees: where one string holds the fields, that string."""
    match table.argument:
        case XmlInString(argument=argument, result=result):
            return {argument} if way == "request" else {result}
        case StringCutByBytes(argument=argument, result=result_form):
            return {argument} if way == "request" else {result_form.name}
        case None:
            return fields
