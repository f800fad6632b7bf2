"""Executed lessons as handouts: the teacher's with solutions, the students' without; notebook, web page, PDF, zip."""

import copy
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import nbformat
from nbgrader import preprocessors

from dlcourse import paths, web_pages
from dlcourse.classroom import pdf, slides

STUB = {
    "python": "# Your code in place of the next line. The text above says what to leave, and under which name.\n"
    'raise NotImplementedError("this exercise is yours: put your code in place of this line, then run on from here")'
}
LECTURE = "01_convolution_by_hand"
# What makes a folder with notebooks/ and README.md a course that runs: the package with its embedded data, what
# installs it, what a run is held to.
COURSE = (
    "dlcourse", "tools", "docs/results", "docs/syllabus.md", "docs/student.md",
    "data/README.md", "Makefile", "pyproject.toml", "requirements.txt", "LICENSE",
)  # fmt: skip
# The rest of the project, with the lessons as they are kept: solutions, hidden tests, no outputs.
PROJECT = (
    "notebooks", "docs", "tests", "benchmarks", "deploy", ".ci", ".github", ".dockerignore", ".gitattributes",
    ".gitignore", "README.md", "README.ar.md",
)  # fmt: skip
NOT = {"__pycache__", ".ipynb_checkpoints"}


def student_version(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A lesson as a student gets it.

    Solutions are replaced by a line that stops the run and says what to do, hidden tests are left out, and so are the
    outputs of exercises and tests. All else stays as it is, outputs included, and whoever solves the exercises can
    have them graded by nbgrader.
    """
    steps = (
        preprocessors.LockCells(),
        preprocessors.ClearSolutions(code_stub=STUB),
        preprocessors.CheckCellMetadata(),
        preprocessors.ClearHiddenTests(),
        preprocessors.ComputeChecksums(),
    )
    for step in steps:
        notebook, _ = step.preprocess(notebook, {})
    notebook.cells[0].source = web_pages.BADGE.sub("", notebook.cells[0].source)  # it leads to the solutions
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata and cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def write(lessons: list[str]) -> int:
    """Write ``outputs/handouts/``: every lesson as notebook, web page and PDF, slides of the lecture, two zips.

    Args:
        lessons: names of lessons, whose executed notebooks lie in the outputs.

    Returns:
        The exit status: 0, or 1 if one of them has no finished run.
    """
    missing = [lesson for lesson in lessons if not (paths.outputs() / lesson / "run.json").exists()]
    if missing:
        print(f"no finished run of {', '.join(missing)} in {paths.outputs()}: `make run-all` first", file=sys.stderr)
        return 1
    if pdf.browser() is None:
        print(f"without PDF: it is printed by Chromium, which is not here ({pdf.HOW_TO_GET_IT})")
    target = paths.outputs() / "handouts"
    # Put together beside its place, so that a stop leaves the handouts of before.
    with tempfile.TemporaryDirectory(prefix="handouts ", dir=paths.outputs()) as temporary:
        folder = Path(temporary, "handouts")
        for lesson in lessons:
            print(f"  {lesson}", flush=True)
            _write_lesson(lesson, folder)
        _pack(folder)
        shutil.rmtree(target, ignore_errors=True)
        folder.replace(target)
    for path in sorted(target.glob("*.zip")):
        print(f"{path}  {path.stat().st_size / 1e6:.0f} MB")
    return 0


def _write_lesson(lesson: str, folder: Path) -> None:
    executed = nbformat.read(paths.outputs() / lesson / f"{lesson}.ipynb", as_version=4)
    executed.metadata.pop("papermill", None)
    for cell in executed.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
    if lesson == LECTURE:
        slides.write(student_version(copy.deepcopy(executed)), folder / "slides" / f"{lesson}.html")
    for reader in ("teacher", "students"):
        notebook = folder / reader / f"{lesson}.ipynb"
        notebook.parent.mkdir(parents=True, exist_ok=True)
        # The students' second, since it changes the notebook.
        nbformat.write(executed if reader == "teacher" else student_version(executed), notebook)
        page = web_pages.write(notebook)
        if pdf.browser():
            try:
                pdf.write(page)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                print(f"without {page.stem}.pdf for {reader}: {error}", file=sys.stderr)


def _pack(folder: Path) -> None:
    """``students.zip``, a course that runs, with the students' notebooks; ``all.zip``, the project and all handouts."""
    course = {f"notebooks/{path.name}": path for path in folder.glob("students/*.ipynb")}
    course |= {f"handouts/{path.name}": path for path in folder.glob("students/*") if path.suffix != ".ipynb"}
    course |= {f"slides/{path.name}": path for path in folder.glob("slides/*")} | files(COURSE)
    everything = {path.relative_to(folder).as_posix(): path for path in folder.glob("*/*")}
    everything |= files(COURSE + PROJECT)
    readme = (paths.ROOT / "docs" / "student.md").read_text(encoding="utf-8").replace("](syllabus", "](docs/syllabus")
    for name, packed in {"students.zip": course, "all.zip": everything}.items():
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for inside, path in sorted(packed.items()):
                archive.write(path, f"dlcourse/{inside}")
            if "README.md" not in packed:
                archive.writestr("dlcourse/README.md", readme)


def files(names: tuple[str, ...]) -> dict[str, Path]:
    """The project's files under these names, by their place in the project; names that are not there are left out."""
    found = {}
    for here in map(paths.ROOT.joinpath, names):
        for path in sorted(here.rglob("*")) if here.is_dir() else [here]:
            if path.is_file() and not NOT & set(path.parts):
                found[path.relative_to(paths.ROOT).as_posix()] = path
    return found
