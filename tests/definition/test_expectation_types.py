from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from lakehouse.definition.expectation_types import expectation_types, judges_rows, mismatch


@pytest.mark.filterwarnings("ignore")  # Great Expectations and what it imports warn
def test_the_file_is_what_the_installed_great_expectations_says() -> None:
    path = Path(__file__).with_name("generate_expectation_types.py")
    spec = importlib.util.spec_from_file_location("generate_expectation_types", path)
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    assert generator.FILE.read_text(encoding="utf-8") == generator.text_of(generator.generated_types())


def test_every_type_has_what_is_asked_of_it() -> None:
    assert len(expectation_types()) >= 58
    for schema in expectation_types().values():
        assert set(schema["required"]) <= set(schema["properties"])


def test_which_types_judge_rows() -> None:
    assert judges_rows("expect_column_pair_values_to_be_equal")
    assert not judges_rows("expect_column_values_to_be_unique")
    assert not judges_rows("expect_column_value_z_scores_to_be_less_than")
    assert not judges_rows("expect_column_max_to_be_between")


@pytest.mark.parametrize(
    ("value", "schema", "fits"),
    [
        (3, {"type": "number"}, True),
        (True, {"type": "number"}, False),
        (True, {"type": "boolean"}, True),
        (3.5, {"type": "integer"}, False),
        ("b", {"type": "string", "enum": ["a", "c"]}, False),
        ([1, 2], {"type": "array", "minItems": 3}, False),
        ([1, 2], {"type": "array", "maxItems": 1}, False),
        ([1, "a"], {"type": "array", "items": {"type": "number"}}, False),
        ("a", {"anyOf": [{"type": "number"}, {"type": "string"}]}, True),
        ([], {"anyOf": [{"type": "number"}, {"type": "string"}]}, False),
        ({"a": 1}, {"type": "object"}, True),
    ],
)
def test_what_fits_a_schema(value: object, schema: dict[str, object], fits: bool) -> None:
    assert (mismatch(value, schema) is None) is fits
