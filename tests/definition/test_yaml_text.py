from __future__ import annotations

from typing import Any

import pytest

from lakehouse.definition.yaml_text import read_yaml
from lakehouse.errors import DuplicateName, InvalidValue


def value_of(text: str) -> Any:
    (document,), problems = read_yaml(text, "f.yml")
    assert not problems
    return document.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1", 1),
        ("a: -1.5e3", -1500.0),
        ("a: true", True),
        ("a: no", "no"),
        ("a: on", "on"),
        ("a: 12:30", "12:30"),
        ("a: 010", 10),
        ("a: 2024-01-02", "2024-01-02"),
        ("a: '1'", "1"),
        ("a: !!str 1", "1"),
        ("a: ~", None),
        ("a:", None),
        ("a: ''", ""),
    ],
)
def test_plain_scalars_follow_yaml_1_2(text: str, expected: object) -> None:
    value = value_of(text)["a"]
    assert value == expected
    assert type(value) is type(expected)


def test_values_of_text_mappings_stay_as_written() -> None:
    assert value_of("options: {version: 1.10, header: True, zero: 007, quote: '\"'}") == {
        "options": {"version": "1.10", "header": "true", "zero": "007", "quote": '"'}
    }


def test_lines_are_of_keys_items_and_the_beginning_of_texts() -> None:
    text = "# first\na:\n  - b: 1\n    c: 2\n  - d\nquery: |\n  SELECT 1\nother: SELECT 2\n"
    (document,), _ = read_yaml(text, "f.yml")
    assert document.where("a", 0, "c").line == 4
    assert document.where("a", 1).line == 5
    assert document.where("a", 0, "nothing", "here").line == 3
    assert document.text_where("query").line == 7
    assert document.text_where("other").line == 8


def test_several_documents_and_empty_ones() -> None:
    documents, problems = read_yaml("a: 1\n---\n---\n# nothing\n---\nb: 2\n", "f.yml")
    assert [document.value for document in documents] == [{"a": 1}, {"b": 2}]
    assert [document.line for document in documents] == [1, 6]
    assert not problems


def test_anchors_and_merge_keys() -> None:
    value = value_of("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: {<<: [*x, {c: 4}]}")
    assert value["y"] == {"a": 1, "b": 3}
    assert value["z"] == {"a": 1, "b": 2, "c": 4}


@pytest.mark.parametrize(
    ("text", "error", "line"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", InvalidValue, 3),
        ("a: 1\na: 2\n", DuplicateName, 2),
        ("a: 1\n? [x, y]\n: 2\n", InvalidValue, 2),
        ("a: &a\n  b: *a\n", InvalidValue, 1),
        ("a: 1\n\tb: 2\n", InvalidValue, 2),
        ("<<: 3\n", InvalidValue, 1),
        ("a: \x01\n", InvalidValue, 1),
        ("a: é\nb: \x00\n", InvalidValue, 2),
        ("- " * 3000, InvalidValue, 1),
    ],
)
def test_what_is_not_meant_is_an_error_at_its_line(text: str, error: type[Exception], line: int) -> None:
    documents, problems = read_yaml(text, "f.yml")
    assert not documents
    assert [type(problem) for problem in problems] == [error]
    assert problems[0].where is not None
    assert (problems[0].where.file, problems[0].where.line) == ("f.yml", line)


def test_aliases_of_aliases_are_not_unfolded_without_end() -> None:
    """Nine lines that stand for 387 million values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    documents, problems = read_yaml("\n".join(lines), "f.yml")
    assert not documents
    assert [type(problem) for problem in problems] == [InvalidValue]
    assert len(value_of("\n".join(lines[:4]))["a3"]) == 9, "a few are fine"


def test_expanded_scalars_are_typed_after_expansion() -> None:
    (document,), _ = read_yaml(
        "a: ${n}\nb: '${n}'\noptions: {c: '${n}'}", "f.yml", expand=lambda text, path, where: text.replace("${n}", "5")
    )
    assert document.value == {"a": 5, "b": "5", "options": {"c": "5"}}
