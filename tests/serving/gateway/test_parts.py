"""The gateway's parts alone: wire format, handles, parameters, patterns, the rows of metadata."""

from __future__ import annotations

import random
import string

import pyarrow as pa
import pytest

from lakehouse.errors import AccessRefused, UsageError
from lakehouse.serving.gateway import messages
from lakehouse.serving.gateway.handles import Handles
from lakehouse.serving.gateway.messages import GetTables
from lakehouse.serving.gateway.metadata_tables import is_like, tables_table
from lakehouse.serving.gateway.parameters import bind, count_parameters
from lakehouse.serving.gateway.query_service import LimitExceeded, TableEntry
from lakehouse.serving.gateway.server_facts import info_table, types_table
from lakehouse.serving.gateway.wire import MalformedMessage, number_of, numbers_of, pack, read_message, write_message
from tests.serving.gateway.in_memory import ANA, BOB

SEED = 20261122


def test_messages_come_back() -> None:
    # protobuf.dev/programming-guides/encoding: field 1 = 150 is 08 96 01, field 2 = "testing" is 12 07 …
    assert write_message({1: 150, 2: "testing"}) == b"\x08\x96\x01\x12\x07testing"
    assert read_message(b"\x08\x96\x01\x12\x07testing") == {1: [150], 2: [b"testing"]}
    assert numbers_of(read_message(b"\x0a\x03\x01\x96\x01\x08\x07"), 1) == (1, 150, 7)  # packed, then not
    assert number_of(read_message(write_message({1: -7})), 1) == 2**64 - 7
    command = GetTables("main", "g%", "o_", ("TABLE", "VIEW"), True)
    body = b"".join([
        write_message({1: "main", 2: "g%", 3: "o_", 4: "TABLE"}), write_message({4: "VIEW", 5: 1}),
    ])  # fmt: skip
    assert messages.read_command(pack("CommandGetTables", body)) == command
    assert messages.read_command(pack("CommandGetTables", b"")) == GetTables()


def test_nonsense_is_malformed_and_nothing_else() -> None:
    chance = random.Random(SEED)
    whole = pack("CommandGetTables", write_message({1: "main", 2: "g%", 4: "TABLE", 5: 1}))
    for _ in range(2000):
        cut = bytearray(whole[: chance.randrange(len(whole) + 1)])
        for _ in range(chance.randrange(4)):
            cut.insert(chance.randrange(len(cut) + 1), chance.randrange(256))
        try:
            messages.read_command(bytes(cut))
        except MalformedMessage:
            continue


def test_a_handle_belongs_to_its_principal_and_expires() -> None:
    now, ended = [0.0], []
    handles: Handles[str] = Handles(seconds=10, most=2, clock=lambda: now[0], discard=ended.append)
    handle = handles.add(ANA, "one")
    assert handles.get(ANA, handle) == "one"
    for principal, wrong in ((BOB, handle), (ANA, b"x" * 32)):
        for call in (handles.get, handles.take):
            with pytest.raises(AccessRefused):
                call(principal, wrong)
    other = handles.add(ANA, "two")
    with pytest.raises(LimitExceeded):
        handles.add(ANA, "three")
    handles.add(BOB, "four")
    now[0] = 9
    handles.get(ANA, handle)
    now[0] = 11
    with pytest.raises(AccessRefused):
        handles.get(ANA, other)
    assert handles.take(ANA, handle) == "one"
    with pytest.raises(AccessRefused):
        handles.take(ANA, handle)
    assert sorted(ended) == ["four", "two"]


@pytest.mark.parametrize("text", ["SELECT '?'", 'SELECT "?"', "SELECT `?`", "SELECT 1 -- ?", "SELECT /* ? */ 1", ""])
def test_question_marks_that_are_none(text: str) -> None:
    assert count_parameters(text) == 0
    assert bind(text, []) == text


def test_a_value_stays_one_literal() -> None:
    chance = random.Random(SEED)
    alphabet = string.printable + "'\"\\`${}?;-/*\0ü"
    from lakehouse.definition.sql_text import string_value, tokenize

    for _ in range(2000):
        value = "".join(chance.choices(alphabet, k=chance.randrange(12)))
        tokens = tokenize(bind("SELECT ? FROM t", [value]))
        assert [token.kind for token in tokens] == ["word", "string", "word", "word"], repr(value)
        assert string_value(tokens[1]) == value


def test_values_without_a_literal() -> None:
    for value in ([1], {"a": 1}, object()):
        with pytest.raises(UsageError):
            bind("?", [value])


def test_tables_by_pattern() -> None:
    found = [
        TableEntry(catalog="main", schema=schema, name=name, kind=kind, columns=pa.schema([("a", pa.int64())]))
        for schema, name, kind in (("gold", "b", "TABLE"), ("gold", "a_1", "VIEW"), ("silver", "ax1", "TABLE"))
    ]

    def names(asked: GetTables) -> list[str]:
        return tables_table(found, asked)["table_name"].to_pylist()

    assert names(GetTables()) == ["a_1", "b", "ax1"]
    assert names(GetTables(schema_pattern="go%")) == ["a_1", "b"]
    assert names(GetTables(table_pattern="a\\_1")) == ["a_1"]
    assert names(GetTables(table_pattern="A_1")) == ["a_1", "ax1"]
    assert names(GetTables(types=("VIEW",))) == ["a_1"]
    assert names(GetTables(catalog="other")) == []
    (serialized,) = tables_table(found[:1], GetTables(with_columns=True))["table_schema"].to_pylist()
    assert pa.ipc.read_schema(pa.py_buffer(serialized)).names == ["a"]


def test_a_pattern_is_no_regular_expression() -> None:
    for text, pattern in (("ab", "a."), ("a", "(a|b)"), ("aaa", "a+"), ("x", "[x]")):
        assert not is_like(text, pattern)
    assert is_like("a\nb", "a%b")


def test_facts_about_the_server() -> None:
    everything = dict(zip(*info_table(()).to_pydict().values(), strict=True))
    assert everything[0] == "lakehouse"
    assert everything[3] is True
    assert info_table((3, 99999)).to_pydict() == {"info_name": [3], "value": [True]}
    assert types_table(-5)["type_name"].to_pylist() == ["BIGINT"]
    numbers = types_table(None)["data_type"].to_pylist()
    assert numbers == sorted(numbers)
