from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from lakehouse.definition.code_identity import code_identity

FILE = '''\
import functools
import math

LIMIT = 3
WORDS = {"b", "a", "c"}


class Scale:
    factor = 2

    def apply(self, x):
        return x * self.factor


SCALE = Scale()


def traced(function):
    @functools.wraps(function)
    def wrapper():
        return function()

    return wrapper


def clean(x):
    return x + LIMIT


def make(n):
    def inner(y, z=5, *, w=6):
        """Text."""
        # a comment
        return [clean(v) + n for v in (y, z, w)] + [SCALE.apply(1), math.pi, "key"] + sorted(WORDS)

    return inner


@traced
def outer():
    return (lambda q: q + LIMIT)(1)


query = make(1)
'''


def loaded(folder: Path, text: str, name: str = "query") -> Callable[..., Any]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "defs.py"
    path.write_text(dedent(text))
    spec = importlib.util.spec_from_file_location("defs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    exec(compile(path.read_text(), str(path), "exec"), module.__dict__)
    function: Callable[..., Any] = getattr(module, name)
    return function


def identity(folder: Path, text: str = FILE, name: str = "query", **configuration: str) -> str:
    folder = folder.resolve()
    return code_identity(loaded(folder, text, name), folder, configuration)


@pytest.mark.parametrize(
    "change",
    [
        ("# a comment", "# another\n\n"),
        ('"""Text."""', '"""Other text."""'),
        ("import math\n", "import math\nimport os\n\n\n"),
        ("return x + LIMIT", "return (\n        x\n        + LIMIT\n    )"),
        ('{"b", "a", "c"}', '{"c", "b", "a"}'),
        ("query = make(1)", "UNUSED = 5\nquery = make(1)"),
    ],
)
def test_what_does_not_count(tmp_path: Path, change: tuple[str, str]) -> None:
    assert change[0] in FILE
    assert identity(tmp_path, FILE.replace(*change)) == identity(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("make(1)", "make(2)"),
        ("z=5", "z=7"),
        ("w=6", "w=7"),
        ("x + LIMIT", "x - LIMIT"),
        ("factor = 2", "factor = 3"),
        ("x * self.factor", "x + self.factor"),
        ("math.pi", "math.e"),
        ('{"b", "a", "c"}', '{"b", "a"}'),
        ("clean(v)", "abs(v)"),
    ],
)
def test_what_counts(tmp_path: Path, change: tuple[str, str]) -> None:
    assert change[0] in FILE
    assert identity(tmp_path, FILE.replace(*change)) != identity(tmp_path)


def test_a_wrapped_function_and_a_lambda_inside_count(tmp_path: Path) -> None:
    before = identity(tmp_path, name="outer")
    assert identity(tmp_path, FILE.replace("q + LIMIT", "q * LIMIT"), name="outer") != before
    assert identity(tmp_path, FILE.replace("LIMIT = 3", "LIMIT = 4"), name="outer") != before


def test_the_place_on_disk_does_not_count(tmp_path: Path) -> None:
    text = "from pathlib import Path\nHERE = Path(__file__).parent\ndef query():\n    return HERE\n"
    with_file = text.replace("__file__", repr(str(tmp_path.resolve() / "a" / "x")))
    other = text.replace("__file__", repr(str(tmp_path.resolve() / "b" / "x")))
    assert identity(tmp_path / "a", with_file) == identity(tmp_path / "b", other)


def test_configuration_that_is_read_counts(tmp_path: Path) -> None:
    assert identity(tmp_path, key="1") != identity(tmp_path, key="2")
    assert identity(tmp_path, other="1") == identity(tmp_path, other="2")


def test_recursion_ends(tmp_path: Path) -> None:
    text = "LIST = []\nLIST.append(LIST)\ndef query():\n    return other(LIST)\ndef other(x):\n    return query()\n"
    assert identity(tmp_path, text) == identity(tmp_path, text)


def test_it_is_the_same_in_every_process(tmp_path: Path) -> None:
    (tmp_path / "defs.py").write_text(FILE)
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import defs;"
        "from lakehouse.definition.code_identity import code_identity;"
        "print(code_identity(defs.query, Path(sys.argv[1]), {}))"
    )
    root = str(tmp_path.resolve())
    # The second process finds the bytecode file that the first one wrote.
    seen = {
        subprocess.run(
            [sys.executable, "-c", program, root],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2, 3)
    }
    assert len(seen) == 1
