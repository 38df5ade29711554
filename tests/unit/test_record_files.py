"""Record files: what is written is read back exactly, what is doubtful is refused, and a bad line harms nobody else."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.control_files import control_content, read_verified
from adapters.csv_records import MAX_SPAN, Csv
from adapters.record_files import layout
from adapters.record_layout import Cell, Columns
from adapters.record_verdicts import FileRejected, RecordRefused
from adapters.text_encodings import READ_ONLY, SWAPPED, Encoding, EncodingRefused, is_utf8_instead, to_bytes, to_text

RARE_NAMES = ("样例𠮷", "样例㛃", "𠮷㛃", "样例䶮", "样例·买买提", "样例龦")
LAYOUTS = (
    Csv(encoding="GB18030", delimiter=",", quote='"', eol="CRLF"),
    Csv(encoding="GB18030", delimiter="|!", eol="CRLF"),
    Csv(encoding="UTF-8", delimiter="|", quote="'", eol="LF"),
    Csv(encoding="GBK", delimiter="\t", eol="LF"),
)


def columns(*names: str) -> Columns:
    return Columns(lead=tuple(Cell(name=name) for name in names))


def written(form: Csv, rows: Sequence[tuple[str, ...]]) -> bytes:
    return form.file([form.record(row) for row in rows])


def read(form: Csv, content: bytes, *, whole: bool = False) -> list[tuple[str, ...]]:
    lines = form.lines(content, whole=whole)
    assert not any(line.bad for line in lines)
    return [line.values for line in lines]


@given(
    st.sampled_from(LAYOUTS),
    st.lists(
        st.lists(st.text(st.sampled_from("ab|!,\"'\r\n\t 1样例𠮷㛃"), max_size=8), min_size=2, max_size=4), max_size=5
    ),
)
def test_what_can_be_written_is_read_back_exactly(form: Csv, rows: list[list[str]]) -> None:
    kept = []
    for row in rows:
        try:
            form.record(row)
        except RecordRefused:
            continue
        kept.append(tuple(row))
    assert read(form, written(form, kept)) == kept


@given(st.text(max_size=30))
def test_gb18030_carries_every_character_but_the_ambiguous_ones(text: str) -> None:
    try:
        assert to_text(to_bytes(text, "GB18030"), "GB18030") == text
    except EncodingRefused:
        surrogate = any(0xD800 <= ord(character) <= 0xDFFF for character in text)
        assert surrogate or any(ord(character) in {**SWAPPED, **READ_ONLY} for character in text)


@given(st.binary(max_size=200), st.sampled_from(LAYOUTS))
def test_any_bytes_give_verdicts_or_a_rejection(content: bytes, form: Csv) -> None:
    if content and not content.endswith(b"\n"):
        with pytest.raises(FileRejected, match="truncated"):
            form.lines(content, whole=False)
    lines = form.lines(content, whole=True)
    assert all(line.bad or line.values for line in lines)


@pytest.mark.parametrize("name", RARE_NAMES)
def test_rare_names_survive_gb18030(name: str) -> None:
    form = LAYOUTS[1]
    assert read(form, written(form, [(name, "1")])) == [(name, "1")]


@pytest.mark.parametrize("name", ["样例𠮷", "样例㛃"])
def test_a_name_that_gbk_lacks_is_refused_and_never_replaced(name: str) -> None:
    with pytest.raises(RecordRefused, match="character 3 does not exist in GBK") as refusal:
        LAYOUTS[3].record((name, "1"))
    assert name not in str(refusal.value)


def test_two_thousand_two_character_names_come_back_without_mojibake() -> None:
    dice = random.Random(20261123)
    names = ["".join(chr(dice.randint(0x4E00, 0x9FA5)) for _ in range(2)) for _ in range(2000)]
    encodings: tuple[Encoding, ...] = ("GB18030", "GBK", "UTF-8")
    for encoding in encodings:
        form = Csv(encoding=encoding, delimiter="|!")
        rows = [(str(number), name) for number, name in enumerate(names)]
        assert read(form, written(form, rows)) == rows


def test_utf8_names_under_a_declared_gbk_are_never_taken_silently_as_other_names_when_they_are_not_gbk() -> None:
    content = Csv(encoding="UTF-8").file([Csv(encoding="UTF-8").record(("1", "样例某"))])
    (line,) = Csv(encoding="GBK").lines(content, whole=True)
    assert line.bad == "encoding"
    assert line.first == "1"


@pytest.mark.parametrize(("private", "real"), [*SWAPPED.items(), *READ_ONLY.items()])
def test_characters_that_old_editions_kept_private_are_read_as_what_they_are(private: int, real: int) -> None:
    old = chr(private).encode("gb18030")
    assert to_text(old, "GB18030") == chr(real)
    assert to_text(to_bytes(chr(real), "GB18030"), "GB18030") == chr(real)
    if private in SWAPPED:
        assert to_bytes(chr(real), "GB18030") == old
    with pytest.raises(EncodingRefused):
        to_bytes(chr(private), "GB18030")


def test_a_byte_order_mark_of_utf8_is_no_part_of_the_first_value() -> None:
    form = Csv(encoding="UTF-8")
    assert read(form, b"\xef\xbb\xbf" + written(form, [("a", "b")])) == [("a", "b")]


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_file_without_its_last_line_end_is_rejected_as_a_whole(cut: int) -> None:
    form = LAYOUTS[1]
    content = written(form, [("1", "样例𠮷"), ("2", "样例㛃"), ("3", "样例")])
    part = content[:-cut]
    if part.endswith(b"\n") or not part:
        return
    with pytest.raises(FileRejected) as rejection:
        form.lines(part, whole=False)
    assert rejection.value.code == "truncated"


def test_half_a_character_spoils_its_line_only() -> None:
    form = LAYOUTS[1]
    good, bad = form.record(("1", "样例")), b"2|!" + "样".encode("gb18030")[:1] + b"\r\n"
    lines = form.lines(good + bad + form.record(("3", "例")), whole=True)
    assert [(line.values, line.bad, line.first) for line in lines] == [
        (("1", "样例"), "", "1"),
        ((), "encoding", "2"),
        (("3", "例"), "", "3"),
    ]


def test_an_unclosed_quote_spoils_its_line_only() -> None:
    form = LAYOUTS[0]
    content = b'1,a\r\n2,"b\r\n' + b"3,c\r\n" * (MAX_SPAN + 5)
    lines = form.lines(content, whole=True)
    assert [line.bad for line in lines[:3]] == ["", "quotes", ""]
    assert lines[1].first == "2"
    assert len(lines) == MAX_SPAN + 7


@pytest.mark.parametrize("text", ['1,"b"c', '1,b"c"', '1,""b"', '"1"x,2', '1,"', '"'])
def test_stray_quotes_are_a_verdict(text: str) -> None:
    (line,) = LAYOUTS[0].lines(text.encode() + b"\r\n", whole=True)
    assert line.bad == "quotes"


def test_a_quoted_line_break_keeps_the_line_numbers_right() -> None:
    form = LAYOUTS[0]
    lines = form.lines(written(form, [("1", "a\r\nb"), ("2", "c")]), whole=True)
    assert [(line.number, line.values) for line in lines] == [(1, ("1", "a\r\nb")), (3, ("2", "c"))]


@pytest.mark.parametrize("value", ["a|!b", "a\nb", "a\rb", "a|", "\r"])
def test_a_layout_without_quotes_refuses_what_would_shift_its_columns(value: str) -> None:
    form = Csv(encoding="UTF-8", delimiter="|!")
    row = ("1", value, "!x") if value == "a|" else ("1", value)
    if value == "a|":
        assert read(form, written(form, [row])) == [row]
        return
    with pytest.raises(RecordRefused):
        form.record(row)


def test_a_separator_that_a_value_completes_is_refused() -> None:
    with pytest.raises(RecordRefused):
        Csv(encoding="UTF-8", delimiter="||").record(("a|", "b"))


def test_a_header_row_is_written_and_demanded() -> None:
    form = Csv(encoding="UTF-8", columns=columns("LSH", "XM"), header_row=True)
    content = written(form, [("1", "样例")])
    assert content.startswith(b"LSH,XM\r\n")
    assert read(form, content) == [("1", "样例")]
    assert read(form, form.file([])) == []
    other = Csv(encoding="UTF-8", columns=columns("LSH", "SFZH"), header_row=True)
    for strange in (other.file([]), b""):
        with pytest.raises(FileRejected) as rejection:
            form.lines(strange, whole=True)
        assert rejection.value.code == "header"
    (short,) = form.lines(content.replace(b"1,", b"1"), whole=True)
    assert short.bad == "columns"


def test_blank_lines_and_either_line_end_are_read() -> None:
    form = LAYOUTS[1]
    assert read(form, b"1|!a\n2|!b\r\n\r\n") == [("1", "a"), ("2", "b")]
    assert read(form, b"") == []


def test_the_control_file_proves_the_whole_file() -> None:
    form = LAYOUTS[1]
    content = written(form, [("1", "样例"), ("2", "样例")])
    items: tuple[Any, ...] = ("name", "bytes", "rows", "md5", "sha256", "sm3")
    proof = control_content(items, name="a.txt", content=content, rows=2, eol="LF")
    assert proof.decode().splitlines()[0] == "name=a.txt"
    assert len(read_verified(form, content, name="a.txt", items=items, control=proof)) == 2
    # A digest proves more than a line end does.
    cut = content.removesuffix(b"\r\n")
    proof = control_content(("md5",), name="a.txt", content=cut, rows=2)
    assert len(read_verified(form, cut, name="a.txt", items=("md5",), control=proof)) == 2


@pytest.mark.parametrize("item", ["name", "bytes", "rows", "md5", "sha256", "sm3"])
def test_a_control_file_that_disagrees_rejects_the_whole_file(item: Any) -> None:
    form = LAYOUTS[1]
    content = written(form, [("1", "样例"), ("2", "样例")])
    other = control_content((item,), name="b.txt", content=content[:8] + b"\r\n", rows=3)
    with pytest.raises(FileRejected) as rejection:
        read_verified(form, content, name="a.txt", items=(item,), control=other)
    assert rejection.value.code == item


@pytest.mark.parametrize("control", [b"", b"rows=", b"rows", b"rows=2\nrows=2", b"\xff\xfe"])
def test_a_control_file_that_cannot_be_read_rejects_the_file(control: bytes) -> None:
    form = LAYOUTS[1]
    with pytest.raises(FileRejected) as rejection:
        read_verified(form, form.record(("1", "2")), name="a", items=("rows",), control=control)
    assert rejection.value.code == "control_file"


def test_layouts_are_data() -> None:
    form = layout("csv", "GBK", columns("LSH"), {"delimiter": "|!", "eol": "LF"})
    assert form.record(("1", "2")) == b"1|!2\n"
    with pytest.raises(ValueError, match="the format tape is not one of csv"):
        layout("tape", "GBK", columns(), {})
    with pytest.raises(ValidationError):
        layout("csv", "GBK", columns(), {"separator": ","})


def test_utf8_is_told_from_what_was_declared_also_where_it_could_be_read() -> None:
    name = "样例"
    assert name.encode("utf-8").decode("gb18030")  # nothing else would tell
    assert is_utf8_instead(f"1|{name}".encode(), "GB18030")
    assert is_utf8_instead(f"1|{name}".encode(), "GBK")
    assert not is_utf8_instead(f"1|{name}".encode(), "UTF-8")
    assert not is_utf8_instead(f"1|{name}".encode("gbk"), "GBK")
    assert not is_utf8_instead(b"1|plain", "GBK")


def test_names_in_gbk_are_not_taken_for_utf8() -> None:
    dice = random.Random(1)
    characters = [bytes((row, cell)).decode("gbk") for row in range(0xB0, 0xD7) for cell in range(0xA1, 0xFA)]
    names = ("".join(dice.choices(characters, k=dice.randint(2, 4))) for _ in range(50_000))
    assert sum(is_utf8_instead(name.encode("gbk"), "GBK") for name in names) <= 1
