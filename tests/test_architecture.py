"""The helper stays thin and layered: which module may import which, and what is free of TensorFlow."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import nbformat

import dlcourse
from dlcourse import paths

PACKAGE = Path(dlcourse.__file__).parent
# A module imports only from those in a line above its own.
LAYERS = [
    {"paths"}, {"tracking"}, {"runtime"}, {"precisions"}, {"downloads"}, {"archives"}, {"catalogue"}, {"fetching"},
    {"samples"}, {"glove"}, {"vocabularies"},
    {"decoding"}, {"images", "image_files", "text"}, {"backbones"}, {"feature_bank"}, {"evaluation"}, {"figures"},
    {"training"}, {"checkpoints"}, {"explain"}, {"reports"}, {"web_pages"}, {"report_page"},
    {"batch"}, {"classroom"}, {"service"}, {"__main__"},
]  # fmt: skip
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
NETWORK_FREE = (
    "evaluation",
    "figures",
    "reports",
    "report_page",
)  # no TensorFlow, no Keras, not through another module either
MOST_LINES = 4_530  # a third of them are docstrings and blank; `tracking` is the latest to come
# Reading a result off and drawing it hide nothing of what is taught, so `evaluation` and `figures` are left out of the
# count, and so is `explain`, since lesson 15 computes by hand what it does. Lesson 04, the fullest, introduces bodies
# and the bank; more than this, and a lesson is hiding something.
MOST_CALLS = 13


def sources() -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}


def module(path: Path) -> str:
    """The name in LAYERS that a file belongs to: its own, or its folder's."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(source: str) -> set[str]:
    """Everything a file imports, inside functions too, as dotted names."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the layers: write `from dlcourse import …`"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def helper_modules(names: set[str]) -> set[str]:
    """Which modules of dlcourse are among imported names."""
    parts = [name.split(".") for name in names if name.startswith("dlcourse.")]
    return {part[1] for part in parts} - {"__version__"}


def test_every_module_has_its_place():
    assert {module(path) for path in sources()} - {"__init__"} <= set(RANK)


def test_a_module_imports_only_from_those_above_it():
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path, source in sources().items()
        for name in helper_modules(imported(source))
        if name != module(path) and RANK[name] >= RANK.get(module(path), -1)
    ]
    assert wrong == []


def test_imports_inside_functions_are_seen():
    source = "def f():\n    import keras.ops\n    from dlcourse.samples import digits\n    from dlcourse import paths\n"
    assert imported(source) == {"keras.ops", "dlcourse.samples.digits", "dlcourse.paths"}
    assert helper_modules(imported(source)) == {"samples", "paths"}


def test_evaluation_figures_and_reports_reach_no_tensorflow():
    files: dict[str, set[str]] = {}
    for path, source in sources().items():
        files.setdefault(module(path), set()).update(imported(source))
    reached, waiting = set(), set(NETWORK_FREE)
    while waiting:
        reached |= waiting
        waiting = {name for reaching in waiting for name in helper_modules(files[reaching])} - reached
    wrong = [f"{name} imports {found}" for name in sorted(reached) for found in files[name] if is_network(found)]
    assert wrong == []


def is_network(name: str) -> bool:
    return name.split(".")[0] in ("tensorflow", "keras", "tf_keras", "jax", "torch")


def test_importing_evaluation_figures_and_reports_loads_no_tensorflow():
    code = f"import sys; from dlcourse import {', '.join(NETWORK_FREE)}; print(' '.join(sys.modules))"
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert [name for name in loaded.stdout.split() if is_network(name)] == []


def test_every_module_says_what_it_is_for():
    assert [str(path) for path, source in sources().items() if not ast.get_docstring(ast.parse(source))] == []


def test_the_helper_stays_thin():
    lines = {
        path.name: len(source.splitlines())
        for path, source in sources().items()
        if module(path) not in ("samples", "classroom", "service")
    }
    assert sum(lines.values()) <= MOST_LINES, lines


def called(source: str) -> set[str]:
    """The functions of dlcourse that code calls, as module.name."""
    tree = ast.parse(source)
    modules = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "dlcourse"
        for alias in node.names
    }
    return {
        f"{node.func.value.id}.{node.func.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in modules
    }


def test_calls_are_counted_once_each_and_only_the_helpers():
    source = "from dlcourse import figures, text\nimport numpy\nnumpy.e(); text.load_reviews(1); text.load_reviews(2)\n"
    assert called(source + "figures.save(text.Reviews([]))") == {"text.load_reviews", "figures.save", "text.Reviews"}


def test_a_notebook_calls_few_of_the_helpers_functions():
    wrong = {}
    for path in paths.notebooks():
        cells = nbformat.read(path, as_version=4).cells
        functions = called("\n".join(cell.source for cell in cells if cell.cell_type == "code"))
        functions = {name for name in functions if not name.startswith(("evaluation.", "figures.", "explain."))}
        if len(functions) > MOST_CALLS:
            wrong[path.name] = f"{len(functions)}: {', '.join(sorted(functions))}"
    assert wrong == {}, f"expected at most {MOST_CALLS} functions a notebook, evaluation, figures and explain apart"
