"""A checklist over every lesson, and for each of its rules a notebook that breaks it."""

import ast
import importlib.util
import itertools
import os
import re
import sys
import tomllib
from types import SimpleNamespace

import nbformat
import pytest

from dlcourse import paths

MOST_LINES, FEW_LINES, LONG_CELLS = 30, 15, 5
MACHINE_PATH = re.compile(r"/home/|/Users/|/root/|/tmp/|/work/|/content/|\b[A-Z]:\\")


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def where(notebook, cell) -> str:
    return f"cell {notebook.cells.index(cell) + 1}"


def headings(notebook) -> list[tuple[int, str]]:
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [(len(marks), title) for marks, title in re.findall(r"^(#+) +(.+)$", text, re.MULTILINE)]


# ---- the rules: each yields what is wrong with a notebook ----


def has_one_cell_of_parameters(notebook, name):
    """One cell tagged parameters takes profile, source and seed from the environment, else full, auto and 0."""
    found = [cell for cell in code_cells(notebook) if "parameters" in tags(cell)]
    if len(found) != 1:
        yield f"{len(found)} cells tagged parameters"
        return
    for environment, expected in (
        ({}, ("full", "auto", "0")),
        ({"DLCOURSE_PROFILE": "smoke", "DLCOURSE_SOURCE": "sample", "DLCOURSE_SEED": "3"}, ("smoke", "sample", "3")),
    ):
        values = _values(found[0].source, environment)
        got = tuple(str(values.get(parameter)) for parameter in ("profile", "source", "seed"))
        if got != expected:
            yield f"parameters with {environment or 'an empty environment'} are {got} instead of {expected}"


def _values(source, environment):
    names = [f"DLCOURSE_{name}" for name in ("PROFILE", "SOURCE", "SEED")]
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        values = {"os": os}
        exec(source, values)
    return values


def keeps_no_outputs(notebook, name):
    """Outputs are stripped, except tagged ones, and nbval compares those."""
    for cell in code_cells(notebook):
        compared = "NBVAL_CHECK_OUTPUT" in cell.source or "nbval-check-output" in tags(cell)
        if cell.outputs and not ("keep_output" in tags(cell) and compared):
            yield f"{where(notebook, cell)} holds an output: strip it, or tag it keep_output and NBVAL_CHECK_OUTPUT"
        if cell.execution_count is not None and not cell.outputs:
            yield f"{where(notebook, cell)} holds an execution count"


def has_an_id_for_every_cell(notebook, name):
    """Every cell has an id of its own, so that a teacher's diff is small."""
    identities = [cell.get("id") for cell in notebook.cells]
    if None in identities or (notebook.nbformat, notebook.nbformat_minor) < (4, 5):
        yield "cells without an id (expected format 4.5)"
    for identity in {identity for identity in identities if identities.count(identity) > 1}:
        yield f"several cells have the id {identity!r}"


def runs_on_any_python_3(notebook, name):
    """The kernel is python3."""
    kernel = notebook.metadata.get("kernelspec", {}).get("name")
    if kernel != "python3":
        yield f"kernel {kernel!r} instead of 'python3'"


def has_short_cells(notebook, name):
    """Code cells have at most 30 lines, and few but those with a model or a solution more than 15."""
    long = []
    for cell in code_cells(notebook):
        lines = len(cell.source.strip().splitlines())
        if lines > MOST_LINES:
            yield f"{where(notebook, cell)} has {lines} lines; expected at most {MOST_LINES}"
        if lines > FEW_LINES and not re.search(r"layers\.|keras\.Model|BEGIN SOLUTION", cell.source):
            long.append(where(notebook, cell))
    if len(long) > LONG_CELLS:
        yield f"{len(long)} cells without a model have more than {FEW_LINES} lines: {', '.join(long)}"


def starts_with_a_title_and_keeps_headings_in_order(notebook, name):
    """The first line is the title, the only heading of the first level, and no level is left out."""
    if notebook.cells[0].cell_type != "markdown" or not notebook.cells[0].source.startswith("# "):
        yield "does not start with a '# ' title"
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (
            line := re.search(r"^[^\n|#>*-].*\n(=+|-+) *$", cell.source, re.MULTILINE)
        ):
            yield f"{where(notebook, cell)}: {line[0]!r} is a heading to Markdown"
    found = headings(notebook)
    if sum(level == 1 for level, _ in found) != 1:
        yield f"{sum(level == 1 for level, _ in found)} headings of the first level"
    for (before, _), (level, title) in itertools.pairwise(found):
        if level > before + 1:
            yield f"the heading {title!r} leaves out a level"
    numbers = [int(number) for level, title in found if (number := _number(title)) and level == 2]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"the sections are numbered {numbers}"


def _number(title):
    found = re.match(r"(\d+)\. ", title)
    return found and found[1]


def has_three_to_five_exercises(notebook, name):
    """Three to five cells hold a solution between the marks that handouts cut at, each followed by its tests."""
    solutions = []
    for cell in code_cells(notebook):
        marks = re.findall(r"^### (BEGIN|END) SOLUTION$", cell.source, re.MULTILINE)
        solutions += [cell] * marks.count("BEGIN")
        if cell.source.count("SOLUTION") != len(marks) or marks not in ([], ["BEGIN", "END"]):
            yield f"{where(notebook, cell)}: expected one pair of ### BEGIN SOLUTION and ### END SOLUTION, got {marks}"
    if not 3 <= len(solutions) <= 5:
        yield f"{len(solutions)} exercises with a solution; expected three to five"
    if "Exercises" not in [title for _, title in headings(notebook)]:
        yield "no heading 'Exercises'"
    for number, solution in enumerate(solutions, start=1):
        if _graded(solution) != {"grade_id": f"exercise-{number}", "solution": True, "grade": False, "locked": False}:
            yield f"{where(notebook, solution)} is not nbgrader's solution cell exercise-{number}"
        test = notebook.cells[min(notebook.cells.index(solution) + 1, len(notebook.cells) - 1)]
        if _graded(test) != {"grade_id": f"test-{number}", "solution": False, "grade": True, "locked": True}:
            yield f"{where(notebook, test)} is not nbgrader's cell of tests test-{number}"
        elif not re.fullmatch(
            r"(?s)(?=.*\bassert\b).*\n### BEGIN HIDDEN TESTS\n(?=.*\bassert\b).*\n### END HIDDEN TESTS", test.source
        ):
            yield f"{where(notebook, test)}: expected tests, then hidden tests between their two marks"
    points = sum(cell.metadata.get("nbgrader", {}).get("points", 0) for cell in notebook.cells)
    if points != 10:
        yield f"the exercises are worth {points} points; expected 10"


def _graded(cell) -> dict:
    return {key: cell.metadata.get("nbgrader", {}).get(key) for key in ("grade_id", "solution", "grade", "locked")}


def begins_with_the_cell_for_colab(notebook, name):
    """A badge under the title and a first code cell that installs this version in Colab and does nothing at home.

    Nothing for Colab where other lessons' models are loaded: there a notebook is alone on its machine.
    """
    if any("made_by=" in cell.source for cell in code_cells(notebook)):
        if "colab" in "".join(cell.source for cell in notebook.cells[:2]):
            yield "has a badge or a cell for Colab, where the models that it loads are not"
        return
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    repository, version = project["urls"]["Repository"], f"v{project['version']}"
    account = repository.removeprefix("https://github.com/")
    badge = f"](https://colab.research.google.com/github/{account}/blob/{version}/"
    if badge not in notebook.cells[0].source or f"/{name}.ipynb)" not in notebook.cells[0].source:
        yield f"the title has no badge with {badge}…/{name}.ipynb)"
    asked, first = [], code_cells(notebook)[0]
    for modules in ({}, {"google.colab": SimpleNamespace()}):
        shell = SimpleNamespace(run_line_magic=lambda *arguments: asked.append(arguments))
        with pytest.MonkeyPatch.context() as patch:
            for module, content in modules.items():
                patch.setitem(sys.modules, module, content)
            exec(first.source, {"get_ipython": lambda shell=shell: shell})
        if not modules and asked:
            yield f"{where(notebook, first)} installs something at home: {asked}"
    if asked != [("pip", f"install --quiet 'dlcourse @ git+{repository}@{version}'")]:
        yield f"{where(notebook, first)} installs {asked} in Colab; expected {repository} at {version}"


def follows_the_anatomy(notebook, name):
    """It says first what one will learn, in which time and from what source; then scores, looking back, exercises."""
    for promised in ("**You will learn**", "| time on two cores |", "*Source:"):
        if promised not in notebook.cells[0].source:
            yield f"the first cell lacks {promised!r}"
    scores = sum("reports.write_metrics(" in cell.source for cell in notebook.cells if cell.cell_type == "code")
    if scores != 1:
        yield f"{scores} cells call reports.write_metrics; expected one"
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    last = [re.sub(r"^\d+\. ", "", heading) for heading in re.findall(r"^## (.*)$", text, re.MULTILINE)][-2:]
    if last != ["Looking back", "Exercises"]:
        yield f"its last sections are {last}; expected Looking back and Exercises"


def describes_every_figure(notebook, name):
    """A cell that saves a figure is followed by what the figure shows, for those who can't see it."""
    for cell, after in zip(notebook.cells, [*notebook.cells[1:], None], strict=True):
        if cell.cell_type == "code" and "figures.save(" in cell.source:
            if after is None or after.cell_type != "markdown" or not after.source.startswith("*Figure:"):
                yield f"{where(notebook, cell)} draws a figure, and no markdown cell beginning '*Figure:' follows"
            elif len(after.source) < 40:
                yield f"{where(notebook, after)} does not describe the figure: {after.source!r}"


def names_no_path_of_a_machine(notebook, name):
    """Nothing names a folder of the machine the notebook was written on."""
    for cell in notebook.cells:
        if found := MACHINE_PATH.search(cell.source):
            yield f"{where(notebook, cell)} names {found[0]!r}"


def imports_modules_and_not_names(notebook, name):
    """`from dlcourse import figures`, then `figures.save`: a reader sees where a function comes from."""
    for cell in code_cells(notebook):
        for node in ast.walk(ast.parse(re.sub(r"^\s*[%!].*$", "", cell.source, flags=re.MULTILINE))):
            if isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "dlcourse" for alias in node.names):
                yield f"{where(notebook, cell)}: write `from dlcourse import …`"
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dlcourse":
                for alias in node.names:
                    if node.module != "dlcourse" or importlib.util.find_spec(f"dlcourse.{alias.name}") is None:
                        yield f"{where(notebook, cell)} imports the name {alias.name} from {node.module}"


def starts_under_its_own_name(notebook, name):
    """What `runtime.start` is told is the file's name, since outputs and make go by it."""
    code = "\n".join(cell.source for cell in code_cells(notebook))
    got = re.findall(r"runtime\.start\(\s*[\"']([^\"']*)[\"']", code)
    if got != [name]:
        yield f"runtime.start is called with {got}; expected {name!r} once"


def says_that_it_is_not_for_diagnosis(notebook, name):
    """Medical lessons carry the line."""
    text = " ".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown").lower()
    if re.search(r"pneumonia|radiograph|x-ray", text) and "not for diagnosis" not in re.sub(r"[*_\s]+", " ", text):
        yield "speaks of radiographs and does not say 'not for diagnosis'"


RULES = [
    has_one_cell_of_parameters,
    keeps_no_outputs,
    has_an_id_for_every_cell,
    runs_on_any_python_3,
    has_short_cells,
    starts_with_a_title_and_keeps_headings_in_order,
    has_three_to_five_exercises,
    begins_with_the_cell_for_colab,
    follows_the_anatomy,
    describes_every_figure,
    names_no_path_of_a_machine,
    imports_modules_and_not_names,
    starts_under_its_own_name,
    says_that_it_is_not_for_diagnosis,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_lesson(rule):
    wrong = [
        f"{path.name}: {complaint}"
        for path in [*paths.notebooks(), paths.ROOT / "docs" / "template.ipynb"]
        for complaint in rule(nbformat.read(path, as_version=nbformat.NO_CONVERT), path.stem)
    ]
    assert not wrong, "\n".join([rule.__doc__, *wrong])


def test_every_notebook_is_named_as_a_lesson():
    folder = paths.ROOT / "notebooks"
    assert sorted(folder.glob("*.ipynb")) == paths.notebooks()
    numbers = [path.stem[:2] for path in paths.notebooks()]
    assert len(set(numbers)) == len(numbers)


# ---- the rules notice what they are for ----

PARAMETERS = """import os
profile = os.environ.get("DLCOURSE_PROFILE", "full")
source = os.environ.get("DLCOURSE_SOURCE", "auto")
seed = os.environ.get("DLCOURSE_SEED", "0")"""
START = (
    'from dlcourse import figures, runtime\nlesson = runtime.start("02_x", profile=profile, source=source, seed=seed)'
)
SOLUTION = "### BEGIN SOLUTION\n1\n### END SOLUTION"
TEST = "assert True\n### BEGIN HIDDEN TESTS\nassert True\n### END HIDDEN TESTS"
PROJECT = tomllib.loads((paths.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY, VERSION = PROJECT["urls"]["Repository"], f"v{PROJECT['version']}"
COLAB = f"""import sys
if "google.colab" in sys.modules:
    get_ipython().run_line_magic("pip", "install --quiet 'dlcourse @ git+{REPOSITORY}@{VERSION}'")"""
ACCOUNT = REPOSITORY.removeprefix("https://github.com/")
BADGE = f"](https://colab.research.google.com/github/{ACCOUNT}/blob/{VERSION}/02_x.ipynb)"

PROMISED = "**You will learn** to read.\n\n| time on two cores | a minute |\n\n*Source: a report.*"


def lesson():
    """The smallest notebook that keeps all rules; its cells by number."""
    new = nbformat.v4
    cells = [
        new.new_markdown_cell(f"# Which digit is it?\n\n[Colab{BADGE}\n\n{PROMISED}\n\n## 1. Data"),
        new.new_code_cell(COLAB),
        new.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        new.new_code_cell(START),
        new.new_code_cell("reports.write_metrics(scores)\nfigures.save(ax, lesson.outputs / 'a.png', provenance)"),
        new.new_markdown_cell(
            "*Figure: six digits in a row, each with its label above it.*\n\n## 2. Looking back\n\n## Exercises"
        ),
    ]
    for number, points in enumerate((3, 3, 4), start=1):
        for kind, source in {"exercise": SOLUTION, "test": TEST}.items():
            graded = {"grade_id": f"{kind}-{number}", "solution": kind == "exercise", "grade": kind == "test"}
            graded |= {"locked": kind == "test", "schema_version": 3, "task": False}
            graded |= {"points": points} if kind == "test" else {}
            cells.append(new.new_code_cell(source, metadata={"nbgrader": graded}))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    return new.new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}}, nbformat_minor=5
    )


def replaced(number, old, new):
    def change(notebook):
        assert old in notebook.cells[number].source
        notebook.cells[number].source = notebook.cells[number].source.replace(old, new)

    return change


def with_output(notebook):
    notebook.cells[3].outputs = [nbformat.v4.new_output("stream", text="1")]


def tagged_but_not_compared(notebook):
    with_output(notebook)
    notebook.cells[3].metadata["tags"] = ["keep_output"]


def counted(notebook):
    notebook.cells[3].execution_count = 4


def same_id(notebook):
    notebook.cells[4]["id"] = "cell-2"


def other_kernel(notebook):
    notebook.metadata.kernelspec.name = "venv"


def untagged(notebook):
    notebook.cells[2].metadata["tags"] = []


def title_below(notebook):
    notebook.cells.insert(0, nbformat.v4.new_code_cell("1", id="early"))


def many_long_cells(notebook):
    notebook.cells += [nbformat.v4.new_code_cell("1\n" * 16) for _ in range(LONG_CELLS + 1)]


def without_description(notebook):
    notebook.cells.insert(5, nbformat.v4.new_code_cell("1", id="between"))


BROKEN = [
    (has_one_cell_of_parameters, untagged),
    (has_one_cell_of_parameters, replaced(2, '"full"', '"smoke"')),
    (has_one_cell_of_parameters, replaced(2, 'os.environ.get("DLCOURSE_SEED", "0")', "0")),
    (keeps_no_outputs, with_output),
    (keeps_no_outputs, tagged_but_not_compared),
    (keeps_no_outputs, counted),
    (has_an_id_for_every_cell, same_id),
    (runs_on_any_python_3, other_kernel),
    (has_short_cells, replaced(3, "from dlcourse", "1\n" * 30 + "from dlcourse")),
    (has_short_cells, many_long_cells),
    (starts_with_a_title_and_keeps_headings_in_order, title_below),
    (starts_with_a_title_and_keeps_headings_in_order, replaced(5, "## Ex", "# Ex")),
    (starts_with_a_title_and_keeps_headings_in_order, replaced(5, "## Ex", "#### Ex")),
    (starts_with_a_title_and_keeps_headings_in_order, replaced(5, "## Ex", "## 4. Ex")),
    (starts_with_a_title_and_keeps_headings_in_order, replaced(5, "\n## Ex", "\nIt is\n=\n\n## Ex")),
    (has_three_to_five_exercises, lambda notebook: notebook.cells.pop()),
    (has_three_to_five_exercises, replaced(6, "### END SOLUTION", "")),
    (has_three_to_five_exercises, lambda notebook: notebook.cells[6].metadata.clear()),
    (has_three_to_five_exercises, lambda notebook: notebook.cells[7].metadata.nbgrader.update(locked=False)),
    (has_three_to_five_exercises, lambda notebook: notebook.cells[7].metadata.nbgrader.update(points=9)),
    (has_three_to_five_exercises, replaced(7, "### BEGIN HIDDEN TESTS", "")),
    (begins_with_the_cell_for_colab, replaced(0, "colab.research", "elsewhere")),
    (begins_with_the_cell_for_colab, replaced(0, "02_x.ipynb", "03_x.ipynb")),
    (begins_with_the_cell_for_colab, replaced(1, 'if "google.colab" in sys.modules', "if True")),
    (begins_with_the_cell_for_colab, replaced(1, VERSION, "v0.0.0")),
    (begins_with_the_cell_for_colab, replaced(1, "import sys", "import sys  # checkpoints.load(path, made_by=other)")),
    (has_three_to_five_exercises, replaced(5, "Exercises", "Questions")),
    (follows_the_anatomy, replaced(0, "will learn", "see")),
    (follows_the_anatomy, replaced(0, "| time on two cores |", "")),
    (follows_the_anatomy, replaced(0, "*Source:", "")),
    (follows_the_anatomy, replaced(4, "reports.write_metrics(scores)", "")),
    (follows_the_anatomy, replaced(5, "## 2. Looking back", "## 2. The end")),
    (describes_every_figure, without_description),
    (
        describes_every_figure,
        replaced(
            5, "six digits in a row, each with its label above it.*\n\n## 2. Looking back\n\n## Exercises", "digits*"
        ),
    ),
    (names_no_path_of_a_machine, replaced(0, "Data", "See /home/somebody/data")),
    (imports_modules_and_not_names, replaced(3, "from dlcourse import figures", "from dlcourse.figures import save")),
    (imports_modules_and_not_names, replaced(3, "from dlcourse import figures", "import dlcourse")),
    (imports_modules_and_not_names, replaced(3, "from dlcourse import figures", "from dlcourse import __version__")),
    (starts_under_its_own_name, replaced(3, "02_x", "03_x")),
    (says_that_it_is_not_for_diagnosis, replaced(0, "Data", "Pneumonia")),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_good_lesson_keeps(rule):
    assert list(rule(lesson(), "02_x")) == []


@pytest.mark.parametrize(("rule", "change"), BROKEN, ids=lambda part: part.__name__)
def test_a_broken_lesson_is_noticed(rule, change):
    notebook = lesson()
    change(notebook)
    assert list(rule(notebook, "02_x"))


def test_an_output_that_nbval_compares_may_stay():
    notebook = lesson()
    with_output(notebook)
    notebook.cells[3].metadata["tags"] = ["keep_output", "nbval-check-output"]
    assert list(keeps_no_outputs(notebook, "02_x")) == []
