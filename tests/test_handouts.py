"""Handouts: what students get and do not get, pages that fetch nothing, a zip that is a course and runs."""

import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import zipfile

import nbformat
import pytest

from dlcourse import paths
from dlcourse.classroom import handouts, pdf, slides

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
OTHER = "02_digits_cnn"


def cell(source, output="", nbgrader=None, **metadata):
    metadata |= {"nbgrader": nbgrader} if nbgrader else {}
    made = nbformat.v4.new_code_cell(source, metadata=metadata, execution_count=1)
    made.outputs = [nbformat.v4.new_output("stream", text=output)] if output else []
    return made


def graded(kind, number):
    about = {"grade_id": f"{kind}-{number}", "locked": kind == "test", "schema_version": 3, "task": False}
    about |= {"solution": kind == "exercise", "grade": kind == "test"}
    return about | ({"points": 5} if kind == "test" else {})


def executed():
    """A lesson of two exercises as papermill leaves it."""
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# Why?\n\n$x^2$", metadata={"slideshow": {"slide_type": "slide"}}),
            cell("print('the lesson')", "the lesson\n", papermill={"duration": 1.5}, tags=["parameters"]),
            nbformat.v4.new_markdown_cell("## Exercises\n\n**1.**", metadata={"slideshow": {"slide_type": "subslide"}}),
            cell("### BEGIN SOLUTION\nanswer = 6 * 7\n### END SOLUTION", "secret output\n", graded("exercise", 1)),
            cell(
                "assert isinstance(answer, int)\n### BEGIN HIDDEN TESTS\nassert answer == 42\n### END HIDDEN TESTS",
                nbgrader=graded("test", 1),
            ),
            cell("### BEGIN SOLUTION\nother = 1\n### END SOLUTION", nbgrader=graded("exercise", 2)),
            cell(
                "assert other\n### BEGIN HIDDEN TESTS\nassert other == 1\n### END HIDDEN TESTS",
                nbgrader=graded("test", 2),
            ),
        ],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "papermill": {"duration": 2.0},
        },
    )
    notebook.cells[1].outputs.append(nbformat.v4.new_output("display_data", {"image/png": PIXEL}))
    return notebook


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Handouts of the lecture and of another lesson, in a path with a space."""
    outputs = tmp_path_factory.mktemp("my outputs")
    for lesson in (handouts.LECTURE, OTHER):
        (outputs / lesson).mkdir()
        nbformat.write(executed(), outputs / lesson / f"{lesson}.ipynb")
        (outputs / lesson / "run.json").write_text("{}", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLCOURSE_OUTPUTS", str(outputs))
        assert handouts.write([handouts.LECTURE, OTHER]) == 0
    assert sorted(path.name for path in outputs.iterdir()) == sorted([handouts.LECTURE, OTHER, "handouts"])
    return outputs / "handouts"


def read(path):
    return nbformat.read(path, as_version=4)


def test_a_student_gets_a_line_that_says_what_to_do_instead_of_a_solution():
    student = handouts.student_version(executed())
    assert student.cells[3].source == handouts.STUB["python"]
    assert "put your code in place of this line" in student.cells[3].source
    assert "answer = 6 * 7" not in nbformat.writes(student)


def test_a_student_sees_the_visible_tests_and_not_the_hidden_ones():
    student = handouts.student_version(executed())
    assert student.cells[4].source == "assert isinstance(answer, int)"
    assert "HIDDEN" not in nbformat.writes(student)


def test_a_student_sees_what_the_lesson_printed_and_not_what_the_solutions_did():
    student = handouts.student_version(executed())
    assert [bool(one.outputs) for one in student.cells if one.cell_type == "code"] == [True, *[False] * 4]


@pytest.mark.parametrize("path", paths.notebooks(), ids=lambda path: path.stem)
def test_every_lesson_can_be_given_out(path):
    exercises = sum("BEGIN SOLUTION" in one.source for one in read(path).cells)
    student = nbformat.writes(handouts.student_version(read(path)))
    assert student.count("raise NotImplementedError") == exercises >= 3
    assert not re.search(r"BEGIN SOLUTION|HIDDEN TESTS|colab.research", student)


def test_a_students_run_stops_at_the_first_exercise_and_says_what_to_do(written, tmp_path):
    path = tmp_path / "mine.ipynb"
    shutil.copy(written / "students" / f"{OTHER}.ipynb", path)
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "this exercise is yours: put your code in place of this line" in done.stderr


def test_both_get_notebook_and_page_and_the_teacher_solutions(written):
    for reader, has_solutions in (("teacher", True), ("students", False)):
        notebook, page = (written / reader / f"{OTHER}.{ending}" for ending in ("ipynb", "html"))
        assert ("6 * 7" in notebook.read_text(encoding="utf-8")) == has_solutions
        assert ("secret output" in page.read_text(encoding="utf-8")) == has_solutions
        assert "papermill" not in notebook.read_text(encoding="utf-8")
        assert nbformat.validate(read(notebook)) is None


def test_the_zip_for_students_is_a_course_without_solutions(written):
    with zipfile.ZipFile(written / "students.zip") as archive:
        names = archive.namelist()
        lessons = [archive.read(name).decode() for name in names if name.endswith((".ipynb", ".html"))]
    wanted = ["README.md", "Makefile", "requirements.txt", "pyproject.toml", f"notebooks/{OTHER}.ipynb",
              f"handouts/{OTHER}.html", f"slides/{handouts.LECTURE}.html", "dlcourse/stand_in.weights.h5",
              "dlcourse/samples/emojis.csv", "tools/find-python", "docs/results/expected.csv"]  # fmt: skip
    assert [name for name in wanted if f"dlcourse/{name}" not in names] == []
    assert [name for name in names if "__pycache__" in name or "teacher" in name] == []
    assert [text[:80] for text in lessons if re.search("secret output|BEGIN SOLUTION|HIDDEN", text)] == []


def test_the_zip_with_everything_is_the_project_and_all_handouts(written):
    with zipfile.ZipFile(written / "all.zip") as archive:
        names = archive.namelist()
        lesson = archive.read(f"dlcourse/notebooks/{OTHER}.ipynb").decode()
    wanted = ["docs/teacher.md", "docs/template.ipynb", "tests/run.py", "README.md", f"teacher/{OTHER}.ipynb",
              f"students/{OTHER}.html", f"slides/{handouts.LECTURE}.html"]  # fmt: skip
    assert [name for name in wanted if f"dlcourse/{name}" not in names] == []
    assert "BEGIN HIDDEN TESTS" in lesson  # as `make grading` needs it


@pytest.mark.parametrize("name", ["students.zip", "all.zip"])
def test_pages_in_a_zip_lead_nowhere_outside_it(written, name):
    with zipfile.ZipFile(written / name) as archive:
        names = set(archive.namelist())
        pages = {page: archive.read(page).decode() for page in names if page.endswith(".md")}
    assert "dlcourse/README.md" in pages
    links = [
        (page, posixpath.normpath(f"{posixpath.dirname(page)}/{link}"))
        for page, text in pages.items()
        for link in re.findall(r"\]\(([^)#]+)", text)
        if not link.startswith("http") and not link.endswith(".ipynb")  # lessons: those that were run
    ]
    folders = {posixpath.dirname(known) for known in names}
    lost = [(page, to) for page, to in links if to not in names | folders]
    assert lost == []


def unpacked(written, folder):
    with zipfile.ZipFile(written / "students.zip") as archive:
        archive.extractall(folder)
    return folder / "dlcourse"


def run(course, lesson):
    """Run a lesson there as `make` does, with the course's own package, and return where it failed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DLCOURSE_")}
    environment |= {"PYTHONPATH": str(course), "DLCOURSE_PROFILE": "smoke"}
    command = [sys.executable, "-m", "dlcourse", "run", lesson]
    done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    return json.loads((course / "outputs" / "smoke" / lesson / "failure.json").read_text(encoding="utf-8"))


def test_the_unpacked_zip_runs_up_to_the_first_exercise(written, tmp_path):
    failure = run(unpacked(written, tmp_path / "a laptop"), OTHER)
    assert failure["cell"] == 4
    assert failure["error"].startswith("NotImplementedError: this exercise is yours")


def test_a_real_lesson_needs_nothing_that_the_zip_lacks(written, tmp_path):
    course = unpacked(written, tmp_path / "a laptop")
    notebook = handouts.student_version(read(paths.ROOT / "notebooks" / f"{handouts.LECTURE}.ipynb"))
    where = nbformat.v4.new_code_cell(f"import dlcourse; assert dlcourse.__file__.startswith({str(course)!r})")
    notebook.cells.insert(0, where)
    nbformat.write(notebook, course / "notebooks" / f"{handouts.LECTURE}.ipynb")
    assert run(course, handouts.LECTURE)["error"].startswith("NotImplementedError: this exercise is yours")


def test_a_lesson_that_never_ran_is_named_and_nothing_is_left(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DLCOURSE_OUTPUTS", str(tmp_path))
    assert handouts.write([OTHER]) == 1
    assert capsys.readouterr().err.strip() == f"no finished run of {OTHER} in {tmp_path}: `make run-all` first"
    assert list(tmp_path.iterdir()) == []


def test_without_a_browser_it_says_so_and_goes_without_pdf(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DLCOURSE_OUTPUTS", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / OTHER).mkdir()
    nbformat.write(executed(), tmp_path / OTHER / f"{OTHER}.ipynb")
    (tmp_path / OTHER / "run.json").write_text("{}", encoding="utf-8")
    assert handouts.write([OTHER]) == 0
    assert "without PDF: it is printed by Chromium, which is not here" in capsys.readouterr().out
    assert list(tmp_path.rglob("*.pdf")) == []
    assert (tmp_path / "handouts" / "students" / f"{OTHER}.html").exists()


def test_slides_fetch_nothing_and_hold_reveal(written):
    page = (written / "slides" / f"{handouts.LECTURE}.html").read_text(encoding="utf-8")
    assert re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=[\"'](?!data:)[^\"'#]", page) == []
    assert "@import" not in page
    assert "Reveal.initialize" in page
    assert page.count("<math ") == 1


def test_the_lecture_is_cut_into_slides():
    cells = read(paths.ROOT / "notebooks" / f"{handouts.LECTURE}.ipynb").cells
    kinds = [one.metadata.get("slideshow", {}).get("slide_type") for one in cells]
    assert set(kinds) == {"slide", "subslide", "-", "skip"}
    assert kinds[0] == "slide"
    solutions = [kind for one, kind in zip(cells, kinds, strict=True) if "nbgrader" in one.metadata]
    assert set(solutions) == {"skip"}


@pytest.mark.browser
def test_pdfs_are_printed(written, chromium):
    for reader in ("teacher", "students"):
        assert (written / reader / f"{OTHER}.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.browser
def test_a_page_that_cannot_be_printed_is_an_error(tmp_path, chromium, monkeypatch):
    monkeypatch.setattr(pdf, "browser", lambda: shutil.which("false"))
    with pytest.raises(RuntimeError, match=r"false printed no .*page\.pdf"):
        pdf.write(tmp_path / "page.html")


@pytest.mark.browser
def test_slides_are_turned_with_the_keyboard(written, chromium):
    page = chromium.new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((written / "slides" / f"{handouts.LECTURE}.html").as_uri())
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    assert page.evaluate("Reveal.getTotalSlides()") == 2
    page.keyboard.press("Space")
    assert page.evaluate("Reveal.getCurrentSlide().innerText").startswith("Exercises")
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert complaints == []
    page.close()


def test_reveal_comes_with_the_package_that_is_said_to_bring_it(tmp_path):
    page = slides.write(executed(), tmp_path / "slides" / "x.html")
    assert "reveal.js 5" in page.read_text(encoding="utf-8")  # the licence line of its script


@pytest.mark.parametrize(("command", "package"), [("handouts", "sphinx_revealjs"), ("grading", "nbgrader")])
def test_a_missing_extra_is_told_in_one_line(command, package):
    code = (
        f"import sys; sys.modules['{package}'] = None; from dlcourse import __main__; "
        f"sys.exit(__main__.main(['{command}']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=paths.ROOT)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{command} needs {package}")
    assert done.stderr.count("\n") == 1
