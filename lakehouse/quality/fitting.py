"""Expectations compiled for the columns of a frame, and tried on it before a row is read."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.analysis.failure import describe_failure
from lakehouse.definition.expectation import Expectation
from lakehouse.errors import DefinitionErrors, InvalidValue
from lakehouse.quality.rule import CompiledRules, RowRule, compile_rules


def fitting_rules(expectations: Iterable[Expectation], frame: DataFrame) -> CompiledRules:
    """The rules for the frame's columns. Raises what `compile_rules` raises, and InvalidValue (several: together as
    DefinitionErrors) for a condition that Spark refuses over these columns. Runs no job."""
    columns = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    rules = compile_rules(expectations, columns)
    if rules.rows and _refusal(frame, rules.rows) is not None:
        found = [(rule, why) for rule in rules.rows if (why := _refusal(frame, (rule,))) is not None]
        problems = [
            InvalidValue(
                f"the expectation '{rule.name}' cannot be judged: {why}",
                where=rule.expectation.location,
                hint=f"The columns are {', '.join(columns)}.",
            )
            for rule, why in found
        ]
        if problems:
            raise DefinitionErrors(problems) if len(problems) > 1 else problems[0]
    return rules


def _refusal(frame: DataFrame, rules: Iterable[RowRule]) -> str | None:
    """Why Spark refuses the predicates; None if it does not."""
    try:
        frame.select(*[F.expr(rule.violation) for rule in rules])
    except PySparkException as error:
        return describe_failure(error).message
    return None
