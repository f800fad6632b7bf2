"""Grading by nbgrader from end to end on one lesson: what is given out, handed in, graded and exported."""

import os
import re
import subprocess
import sys

import nbformat
import pandas as pd
import pytest

from dlcourse import paths
from dlcourse.classroom import grading

LESSON = "01_convolution_by_hand"


def nbgrader(folder, *arguments):
    # As a teacher calls it: with no setting of ours in the environment.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DLCOURSE_")}
    command = [sys.executable, "-m", "nbgrader", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def source(name):
    """A cell of the lesson by nbgrader's name for it."""
    cells = nbformat.read(paths.ROOT / "notebooks" / f"{LESSON}.ipynb", as_version=4).cells
    return next(cell for cell in cells if cell.metadata.get("nbgrader", {}).get("grade_id") == name)


def points(number):
    return source(f"test-{number}").metadata.nbgrader.points


def hand_in(folder, student, answers, settings=""):
    """A student's notebook: what was given out, with these answers by exercise; the others stay unsolved."""
    notebook = nbformat.read(folder / "release" / LESSON / f"{LESSON}.ipynb", as_version=4)
    for cell in notebook.cells:
        number = cell.metadata.get("nbgrader", {}).get("grade_id", "").removeprefix("exercise-")
        if number in answers:
            cell.source = answers[number]
        if "parameters" in cell.metadata.get("tags", ()):
            cell.source += f"\n{settings}"
    submitted = folder / "submitted" / student / LESSON
    submitted.mkdir(parents=True)
    nbformat.write(notebook, submitted / f"{LESSON}.ipynb")


def results():
    """What lies where this lesson writes by default, and since when."""
    folders = (paths.ROOT / "outputs" / LESSON, paths.ROOT / "outputs" / "smoke" / LESSON)
    return {path: path.stat().st_mtime_ns for folder in folders for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Three hand in: cells that fail, end Python and are left unsolved, and a right one; all right; one wrong."""
    folder = tmp_path_factory.mktemp("my grading")
    assert grading.prepare(folder, [LESSON]) == 0
    (folder / "models").mkdir()
    (folder / "models" / "digits.h5").write_text("the teacher's")
    right = {str(number): source(f"exercise-{number}").source for number in range(1, 5)}
    model = "from dlcourse import paths; model = paths.models() / 'digits.h5'\n"
    overwrites = f"{model}model.write_text('mine'); raise SystemError('boom')"
    hand_in(folder, "a crashing one", {"1": overwrites, "2": "import os; os._exit(1)", "3": right["3"]})
    finds = f"{model}print('found', model.read_text())\n{right['1']}"
    hand_in(folder, "right", right | {"1": finds}, settings='profile, source, seed = "full", "real", "7"')
    hand_in(folder, "wrong", right | {"1": right["1"] + "\nconvolved = correlated"})
    ours = results()
    done = nbgrader(folder, "autograde", LESSON)
    assert done.returncode == 0, done.stderr[-3000:]
    exported = nbgrader(folder, "export")
    assert exported.returncode == 0, exported.stderr[-3000:]
    grades = pd.read_csv(folder / "grades.csv").set_index("student_id")
    assert results() == ours, "grading wrote into the course's own results"
    return folder, grades


def test_what_is_given_out_holds_no_solution_and_no_hidden_test(graded):
    folder, _ = graded
    text = (folder / "release" / LESSON / f"{LESSON}.ipynb").read_text(encoding="utf-8")
    assert "this exercise is yours" in text
    assert not re.search(r"BEGIN SOLUTION|HIDDEN TESTS", text)


def test_a_right_submission_gets_all_points(graded):
    assert graded[1].loc["right", ["score", "max_score"]].tolist() == [10, 10]


def test_what_a_student_set_is_kept_but_not_run_with(graded):
    folder, _ = graded
    executed = (folder / "autograded" / "right" / LESSON / f"{LESSON}.ipynb").read_text(encoding="utf-8")
    assert r"profile, source, seed = \"full\", \"real\", \"7\"" in executed
    assert f"{LESSON}: profile smoke, source sample, seed 0," in executed


def test_a_wrong_answer_costs_its_points_and_no_others(graded):
    assert graded[1].loc["wrong", "score"] == 10 - points(1)


def test_cells_that_crash_or_end_python_cost_their_points_and_no_others(graded):
    folder, grades = graded
    assert grades.loc["a crashing one", "score"] == points(3)
    executed = (folder / "autograded" / "a crashing one" / LESSON / f"{LESSON}.ipynb").read_text(encoding="utf-8")
    assert "os._exit(1)" in executed
    assert '"evalue": "this cell ended Python"' in executed


def test_models_are_trained_with_the_settings_of_grading():
    makefile = (paths.ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    (trained,) = re.findall(r"^AS_GRADED := (.*)$", makefile, re.MULTILINE)
    assert {f"{name}={value}" for name, value in grading.SETTINGS.items() if name != "TRACKING"} <= set(trained.split())


def test_lessons_without_solutions_are_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / f"{LESSON}.ipynb").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    assert grading.prepare(tmp_path / "grading", [LESSON]) == 2
    assert capsys.readouterr().err.startswith("expected lessons with solutions and tests")
    assert not (tmp_path / "grading").exists()


def test_a_submission_finds_the_teachers_models_whatever_another_one_trained(graded):
    folder, _ = graded
    executed = (folder / "autograded" / "right" / LESSON / f"{LESSON}.ipynb").read_text(encoding="utf-8")
    assert "found the teacher's" in executed
    assert (folder / "models" / "digits.h5").read_text() == "the teacher's"


def test_setting_up_again_keeps_submissions_and_grades(graded):
    folder, grades = graded
    assert grading.prepare(folder, [LESSON]) == 0
    assert (folder / "submitted" / "right" / LESSON / f"{LESSON}.ipynb").exists()
    assert nbgrader(folder, "export").returncode == 0
    again = pd.read_csv(folder / "grades.csv").set_index("student_id")
    assert again["score"].tolist() == grades["score"].tolist()
