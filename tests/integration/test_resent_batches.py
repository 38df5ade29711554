"""A sealed file that goes again is the same file, and whoever travels with it a second time has it in the journal (R9, R5)."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from hub import batches, results
from simulators.sftp_server import SftpServer
from tests.file_world import TABLE, batch_of, delivery_of, opened
from tests.small_city import GRANTED, SmallCity

BATCH = "b-1"


def sealed(city: SmallCity) -> list[Any]:
    """Two deliveries in one batch, on their way."""
    city.submit("FILE1")
    city.submit("FILE1")
    claims = city.claim("BB-file")
    row = {"id": BATCH, "system": "BB-file", "situation": "file_drop", "sequence": 1, "digest": "d", "blob": "k"}
    city.unit(lambda c: batches.insert_sealed(c, city.city, {**row, "members": 2}, city.at))
    return [city.begin(claim, batch=BATCH) for claim in claims]


def test_a_member_that_is_not_tried_again_but_travels_is_noted(tmp_path: Path) -> None:
    city = SmallCity(tmp_path)
    first, second = sealed(city)
    city.end(first, GRANTED)
    city.end(second, results.LostProcess())
    city.later(minutes=10)
    again = city.claim("BB-file")
    assert [row["id"] for row in again] == [second.delivery]
    begun = city.unit(lambda c: results.begin_again(c, city.city, again, "file_drop", BATCH, city.at))
    assert [(one.delivery, one.number) for one in begun] == [(second.delivery, 2)]
    other = city.delivery(first.delivery)
    assert (other["state"], other["attempts"], bool(other["possible_duplicate"])) == ("done", 1, True)
    (last,) = city.connection.rows(
        "SELECT changes FROM journal WHERE chain = :c ORDER BY seq DESC LIMIT 1", {"c": other["case_no"]}
    )
    codes = {"cause": "batch_resent", "batch": BATCH, "possible_duplicate": True}
    assert json.loads(last["changes"]) == [["delivery", first.delivery, "done", "done", codes]]
    city.close()


def test_a_batch_whose_members_were_all_overtaken_does_not_go_again(tmp_path: Path) -> None:
    city = SmallCity(tmp_path)
    first, second = sealed(city)
    for one in (first, second):
        city.end(one, results.LostProcess())
    city.later(minutes=10)
    again = city.claim("BB-file")
    for row in again:
        city.reply(row["id"], GRANTED)
    assert city.unit(lambda c: results.begin_again(c, city.city, again, "file_drop", BATCH, city.at)) == []
    assert not any(city.delivery(row["id"])["attempts"] > 1 for row in again)
    city.close()


async def test_the_control_file_counts_what_was_sealed_and_not_what_is_still_open(
    sftp: SftpServer, sftp_tree: Path
) -> None:
    batch = batch_of(delivery_of(), delivery_of(), delivery_of())
    async with opened(TABLE, sftp) as gateway:
        content = gateway.seal(batch)
        again = replace(batch, deliveries=batch.deliveries[:1], payload=content, members=3)
        assert set(await gateway.deliver_batch(again)) == {batch.deliveries[0].id}
    assert (sftp_tree / "out" / "WJ_20261124_001.ok").read_text().splitlines()[0] == "rows=3"
