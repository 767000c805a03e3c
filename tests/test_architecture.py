"""The layer table of the README, held: imports point one way, doors are guarded, sizes stay small."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "lakehouse"

# Bottom first. A layer imports only from layers above its own line here; names in one line never import each other.
LAYERS = (
    ("errors",),
    ("names",),
    ("definition",),
    ("pipelines",),
    ("graph",),
    ("plan",),
    ("storage", "analysis"),
    ("refresh", "quality", "catalog"),
    ("run",),
    ("serving", "testing"),
    ("cli",),
    ("__main__",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
PURE = {"errors", "names", "definition", "graph", "plan"}
# The Python front end imports pyspark's registration module, when a .py file is read; `pipelines` re-exports it.
PYSPARK_IN_PURE = {"definition/python_file.py", "definition/session_stand_in.py", "definition/python_registry.py"}
BANNED_WORDS = {
    "manager", "handler", "helper", "helpers", "util", "utils", "processor", "factory", "base", "core", "common",
    "misc", "impl", "info",
}  # fmt: skip


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "templates" not in path.parts)


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every imported module of a file, hidden ones included, and whether it is only for type checking."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            yield name, id(node) in for_types


def top_level_imports(path: Path) -> set[str]:
    """What is imported as soon as the file is."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    own = layer(path)
    if path == PACKAGE / "__init__.py":
        return
    assert own in RANK, f"{path} is in no layer: add it to the table"
    for name, only_types in imports(path):
        if not name.startswith("lakehouse.") or only_types:
            continue
        target = name.split(".")[1]
        if target == own or target == "__version__":
            continue
        assert RANK[target] < RANK[own], f"{path.relative_to(PACKAGE)} imports {name}: {own} may not see {target}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_doors(path: Path) -> None:
    place = str(path.relative_to(PACKAGE))
    for name, only_types in imports(path):
        package = name.split(".")[0]
        if package in {"pyspark", "delta", "deltalake", "py4j"} and layer(path) in PURE and not only_types:
            assert package == "pyspark", f"{place} imports {name}"
            assert place in PYSPARK_IN_PURE, f"{place} imports {name}"
        if package == "yaml":
            assert place == "definition/yaml_text.py"
        if package == "great_expectations":
            assert place == "quality/great_expectations_engine.py", f"{place} imports {name}"
        if name.startswith("lakehouse.quality.great_expectations_engine"):
            assert name not in top_level_imports(path), f"{place} imports {name} before it is needed"


def test_no_cycles_between_modules() -> None:
    known = {module_name(path): path for path in modules()}
    edges: dict[str, set[str]] = {name: set() for name in known}
    for name, path in known.items():
        for target, only_types in imports(path):
            found = target if target in known else target.rpartition(".")[0]
            if found in known and found != name and not only_types:
                edges[name].add(found)
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"import cycle: {' -> '.join([*trail[trail.index(name) :], name])}"
        if name in done:
            return
        for target in sorted(edges[name]):
            visit(target, (*trail, name))
        done.add(name)

    for name in sorted(edges):
        visit(name, ())


def test_sizes() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert max(lengths.values()) <= 400, max(lengths, key=lambda path: lengths[path])
    assert statistics.median(lengths.values()) <= 150
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                place = f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}"
                assert (node.end_lineno or 0) - node.lineno + 1 <= 70, place
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                count = len([argument for argument in arguments if argument.arg not in {"self", "cls"}])
                assert count <= 6 or layer(path) == "pipelines", f"{place}: {count} parameters"


def test_sizes_of_java_sources() -> None:
    sources = sorted(PACKAGE.rglob("*.java"))
    assert sources
    for path in sources:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path
        assert not set(path.stem.split("_")) & (BANNED_WORDS | {"data"}), path


def test_names() -> None:
    for path in modules():
        for part in path.relative_to(PACKAGE).with_suffix("").parts:
            assert not set(part.split("_")) & (BANNED_WORDS | {"data"}), path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                assert not any(node.name.lower().endswith(word) for word in BANNED_WORDS), f"{path}: {node.name}"


def test_public_functions_say_what_they_do() -> None:
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree) or path.name == "__main__.py", f"{path} has no module docstring"
        for node in tree.body:
            public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if public:
                assert ast.get_docstring(node), f"{path}:{node.lineno} {node.name}"  # type: ignore[arg-type]


def test_the_readme_shows_this_table() -> None:
    readme = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    section = readme.partition("### Layers of the code")[2]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    shown = [row for row in rows if any(f"`{name}`" in row.split("|")[1] for name in RANK)]
    position = {}
    for place, row in enumerate(shown):
        for name in RANK:
            if f"`{name}`" in row.split("|")[1]:
                position.setdefault(name, place)
    folders = {
        path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name not in {"templates", "__pycache__"}
    }
    assert folders <= position.keys(), f"README's layer table lacks {folders - position.keys()}"
    for upper in folders:
        for lower in folders:
            if RANK[upper] > RANK[lower]:
                assert position[upper] < position[lower], f"README shows {upper} below {lower}"
