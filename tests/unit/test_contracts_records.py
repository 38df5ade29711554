"""Records, errors and the plugin contract: what a plugin author relies on."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import pluggy
import pytest
from pydantic import BaseModel, ValidationError

from contracts import client, crash_points, delivery, errors, exchange, plugin, situation
from contracts.api import CaseView
from contracts.catalogue import Derive, FormField, Item, Validator
from contracts.envelope import CaseApplication, CaseEvent, CaseEventKind, Envelope, TaskCompletion
from contracts.records import adapter, record


@record
class Sheet:
    number: str
    copies: int = 3


def test_a_record_cannot_be_changed_and_takes_names_only() -> None:
    sheet = Sheet(number="A")
    with pytest.raises(dataclasses.FrozenInstanceError):
        sheet.copies = 4  # type: ignore[misc]
    with pytest.raises(TypeError):
        Sheet("A")  # type: ignore[call-arg]
    assert not hasattr(sheet, "__dict__")


def test_an_unknown_key_is_an_error_when_a_record_is_parsed() -> None:
    with pytest.raises(ValidationError, match="colour"):
        adapter(Sheet).validate_python({"number": "A", "colour": "red"})


def test_the_parser_of_a_record_is_built_once() -> None:
    assert adapter(Sheet) is adapter(Sheet)


def test_an_envelope_survives_the_way_to_json_and_back() -> None:
    given = Envelope(
        id="1",
        source="urn:s",
        type="t",
        time=datetime(2026, 3, 2, 1, tzinfo=UTC),
        extensions={"a": "b"},
        data={"name": "李𠮷"},
    )
    assert adapter(Envelope).validate_json(adapter(Envelope).dump_json(given)) == given


def test_a_case_application_needs_an_item_a_centre_and_an_applicant() -> None:
    with pytest.raises(ValidationError) as caught:
        adapter(CaseApplication).validate_python({})
    assert {problem["loc"] for problem in caught.value.errors()} == {("item",), ("receiving_centre",), ("applicant",)}
    least = adapter(CaseApplication).validate_python(
        {"item": "MZ004", "receiving_centre": "310104901", "applicant": {}}
    )
    assert (least.accepted, least.channel, least.form, least.materials) == (False, "1", {}, ())


def test_an_event_that_no_centre_may_cause_is_refused() -> None:
    assert adapter(CaseEvent).validate_python({"event": "deliver", "by": "c1"}).event is CaseEventKind.SERVE
    with pytest.raises(ValidationError):
        adapter(CaseEvent).validate_python({"event": "deemed_accepted", "by": "c1"})


def test_a_completion_is_named_by_its_own_id() -> None:
    with pytest.raises(ValidationError, match="id"):
        adapter(TaskCompletion).validate_python({"by": "c1"})


def test_the_word_from_is_read_and_written_as_such() -> None:
    rule = adapter(Validator).validate_python({"rule": "max_span", "from": "form.start", "months": 3})
    assert rule.from_ == "form.start"
    derive = adapter(Derive).validate_python({"from": "applicant.id_no", "slice": [6, 14], "rule": "yyyymmdd"})
    assert adapter(Derive).dump_python(derive, by_alias=True)["from"] == "applicant.id_no"
    columns = adapter(FormField).validate_python(
        {
            "name": "t",
            "label_zh": "",
            "label_en": "",
            "type": "table",
            "columns": [{"name": "c", "validators": [{"rule": "required"}]}],
        }
    )
    assert columns.columns[0].validators == (Validator(rule="required"),)


@pytest.mark.parametrize(
    ("error", "is_a"),
    [
        (errors.TemporaryError("http_503", retry_after=2.0), errors.DeliveryError),
        (errors.OutcomeUnknownError("timeout", "no answer"), errors.DeliveryError),
        (errors.DuplicateError("03"), errors.PermanentError),
        (errors.CredentialsError("http_401"), errors.DeliveryError),
        (errors.InboundRefused("bad_signature"), errors.OnedoorError),
    ],
)
def test_every_error_stands_in_the_one_tree(error: Exception, is_a: type[Exception]) -> None:
    assert isinstance(error, is_a)
    assert isinstance(error, errors.OnedoorError)


def test_an_error_says_its_code_and_what_to_do() -> None:
    error = errors.TemporaryError("http_503", "ask again", retry_after=2.0)
    assert (str(error), error.code, error.detail, error.retry_after) == (
        "http_503: ask again",
        "http_503",
        "ask again",
        2.0,
    )
    assert str(errors.PermanentError("format")) == "format"


def test_a_refused_callback_carries_the_answer_in_the_departments_form() -> None:
    refused = errors.InboundRefused("replay", status=422, body=b"<no/>", content_type="text/xml")
    assert (refused.code, refused.status, refused.body, refused.content_type) == ("replay", 422, b"<no/>", "text/xml")


def test_a_site_error_shows_every_mistake_on_a_line() -> None:
    mistakes = [errors.SiteMistake("a.toml", 3, "x", "wrong"), errors.SiteMistake("b.toml", 0, "", "missing")]
    assert str(errors.SiteError(mistakes)) == "a.toml:3: x: wrong\nb.toml: missing"


class Place(BaseModel):
    url: str


class Silent:
    async def deliver(self, asked: delivery.Delivery, /) -> delivery.Outcome:
        return delivery.AwaitingReply(department_ref=asked.case_no)

    async def check(self) -> None:
        return None


class Asked(Silent):
    async def enquire(self, asked: delivery.Delivery, /) -> delivery.Outcome | delivery.NotFound:
        return delivery.NotFound(what=delivery.Lookup.CANNOT_TELL if asked.attempt else delivery.Lookup.NOT_RECEIVED)


async def test_a_channel_checks_the_settings_of_its_place_before_it_opens() -> None:
    opened: list[Place] = []

    @asynccontextmanager
    async def connect(place: Place, _: plugin.Runtime) -> AsyncIterator[plugin.Gateway]:
        opened.append(place)
        yield Silent()

    channel = plugin.channel(situation.Situation.API, Place, connect, resend_is_safe=True)
    runtime: plugin.Runtime = None  # type: ignore[assignment]  # nothing here asks it
    async with channel.open({"url": "http://127.0.0.1:1"}, runtime) as gateway:
        await gateway.check()
    assert opened == [Place(url="http://127.0.0.1:1")]
    assert (channel.status, channel.limits, channel.batching) == (
        situation.ChannelStatus.SENDING,
        situation.Limits(),
        None,
    )
    with pytest.raises(ValidationError, match="url"):
        channel.open({}, runtime)


def test_optional_capabilities_are_told_by_their_methods() -> None:
    assert isinstance(Asked(), plugin.Enquiring)
    assert not isinstance(Silent(), plugin.Enquiring)
    assert not isinstance(
        Silent(), plugin.Collecting | plugin.Receiving | plugin.Printing | plugin.Preparing | plugin.BatchGateway
    )


def test_a_misspelt_hook_is_found_by_check_pending() -> None:
    class Misspelt:
        @plugin.hookimpl
        def register_department(self, site: str) -> list[plugin.Department]:
            return [plugin.Department(code=site, name_zh="", name_en="")]

    manager = pluggy.PluginManager("onedoor")
    manager.add_hookspecs(plugin.Hooks)
    manager.register(Misspelt())
    with pytest.raises(pluggy.PluginValidationError, match="register_department"):
        manager.check_pending()


def test_the_hook_list_itself_registers_nothing() -> None:
    with pytest.raises(NotImplementedError):
        plugin.Hooks().register_departments("site")


def test_a_delivery_is_the_first_and_no_duplicate_unless_said_otherwise() -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    first = delivery.Delivery(
        id=UUID(int=1), system="MZ-relief", operation="relief_status", round=1, case_no="0" * 24, item="JY004", item_version=1,
        step="p1", centre="310104901", attempt=1, send_before=now, fields={"applicant_name": "李𠮷"},
    )  # fmt: skip
    assert (first.possible_duplicate, first.supersedes, first.subject, first.payload) == (False, None, None, None)


def test_the_published_names_are_there() -> None:
    assert client.OpenHub is not None
    assert {"steps", "deliveries", "tasks", "journal"} <= {part.name for part in dataclasses.fields(CaseView)}
    assert "steps" in {part.name for part in dataclasses.fields(Item)}


def test_a_crash_point_does_nothing_in_service() -> None:
    crash_points.crash_point("anywhere")


def test_a_crash_point_ends_the_process_where_it_is_named() -> None:
    program = (
        "from contracts.crash_points import crash_point; crash_point('here'); crash_point('there'); print('alive')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "ONEDOOR_CRASH_AT": "there"},
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (137, b"")


@pytest.mark.parametrize(
    ("changed", "of"),
    [
        ({"by": "赵样例"}, CaseEvent),
        ({"by": "clerk 1"}, CaseEvent),
        ({"by": "x" * 65}, CaseEvent),
        ({"by": "c1\n"}, CaseEvent),
        ({"confirmed_by": "赵样例"}, CaseEvent),
        ({"reason_code": "applicant moved away"}, CaseEvent),
        ({"wanted": ["M0001", "赵样例的身份证"]}, CaseEvent),
        ({"by": "赵样例"}, TaskCompletion),
        ({"confirmed_by": "赵样例"}, TaskCompletion),
        ({"reason_code": "赵样例"}, TaskCompletion),
        ({"wanted": [""]}, TaskCompletion),
        ({"id": "1" * 129}, TaskCompletion),
        ({"clerk": "赵样例"}, CaseApplication),
    ],
)
def test_what_stays_in_the_journal_has_no_room_for_a_name_or_a_sentence(
    changed: dict[str, object], of: type[object]
) -> None:
    sound: dict[type[object], dict[str, object]] = {
        CaseEvent: {"event": "accept", "by": "clerk-1@xh.sh:2", "reason_code": "a/b.c:d_e-1", "wanted": ["/form/x"]},
        TaskCompletion: {"id": "1" * 128, "by": "clerk-1", "wanted": ["M0001"]},
        CaseApplication: {"item": "X", "receiving_centre": "1", "applicant": {}, "clerk": "clerk-1"},
    }
    adapter(of).validate_python(sound[of])
    with pytest.raises(ValidationError):
        adapter(of).validate_python({**sound[of], **changed})


def test_what_one_file_brought_is_the_sequence_of_its_replies() -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    replies = tuple(
        delivery.Reply(delivery_id=UUID(int=number), outcome=delivery.AwaitingReply(), happened_at=at)
        for number in range(3)
    )
    brought = exchange.Collected(replies=replies)
    assert list(brought) == list(replies)
    assert (len(brought), brought[1], brought[1:]) == (3, replies[1], replies[1:])
