"""Running lessons with the real make and papermill, on copies of the project that hold lessons of a few lines.

The copies stand in folders with spaces in their names. One long story, told by the fixture `story`, is examined by
many tests, since starting kernels takes most of the time.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest

from dlcourse import batch

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 120  # seconds that one lesson waits for another; a loaded machine is slow to start kernels

WAIT = f"""import pathlib, time
def wait_for(name):
    until = time.monotonic() + {PATIENCE}
    while not pathlib.Path("..", name).exists():
        assert time.monotonic() < until, f"{{name}} did not come"
        time.sleep(0.05)
def signal(name):
    pathlib.Path("..", name).touch()
"""
SCORES = """import os
from dlcourse import paths, reports
model = paths.models() / "one.h5"
model.parent.mkdir(exist_ok=True)
model.write_bytes(b"weights")
reports.write_metrics(
    paths.outputs() / "01_one", {"test_accuracy": 0.875}, models=(model,),
    cost={"minutes": 0.1, "peak_memory_mb": 100, "cores": 2},
    provenance={"lesson": "01_one", "source": "sample", "data": "none", "weights": "trained here", "profile": "full",
                "seed": int(os.environ.get("DLCOURSE_SEED", "0")), "precision": "float32", "device": "CPU",
                "commit": "abc"},
)
"""


class Project:
    """A copy of the project without its lessons, whose .venv runs this very Python and counts as installed."""

    def __init__(self, folder: Path, venv: bool = True):
        self.folder = folder
        for name in ("dlcourse", "tools"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("Makefile", "pyproject.toml", "requirements.txt"):
            shutil.copy2(ROOT / name, folder / name)
        (folder / "notebooks").mkdir()
        if venv:
            (folder / ".venv" / "bin").mkdir(parents=True)
            python = folder / ".venv" / "bin" / "python"
            python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
            python.chmod(0o755)
            (folder / ".venv" / ".installed").touch()  # newer than requirements.txt: make installs nothing
        # The tests may themselves run under make, and with settings of their own.
        ours = re.compile(r"(DLCOURSE_.*|MAKE.*|MFLAGS|JOBS|PROFILE|SOURCE|SEED|GPU|PYTHON3)$")
        self.environment = {name: value for name, value in os.environ.items() if not ours.match(name)}
        self.environment |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}

    def lesson(self, name: str, *cells: str) -> Path:
        """Write a notebook; text that starts with # becomes a markdown cell."""
        new = nbformat.v4
        notebook = new.new_notebook(
            cells=[new.new_markdown_cell(cell) if cell.startswith("#") else new.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        path = self.folder / "notebooks" / f"{name}.ipynb"
        nbformat.write(notebook, path)
        return path

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            [shutil.which("make"), *arguments],
            cwd=self.folder, env=self.environment | environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def make(self, *arguments: str, **environment: str) -> SimpleNamespace:
        """Run make to its end: exit status, output, and the lessons that ran with how they ended."""
        process = self.start(*arguments, **environment)
        output, _ = process.communicate(timeout=3 * PATIENCE)
        ended = re.findall(r"^\d\d:\d\d:\d\d  (\w+)  (done|FAILED)", output, re.MULTILINE)
        return SimpleNamespace(
            status=process.returncode, output=output, ran=dict(ended), order=[name for name, _ in ended]
        )

    def output(self, *parts: str) -> Path:
        return self.folder.joinpath("outputs", *parts)

    def json(self, *parts: str) -> dict:
        return json.loads(self.output(*parts).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Five runs of all lessons: one fails; again; mended; a model deleted and a notebook touched; another seed."""
    project = Project(tmp_path_factory.mktemp("my course"))
    project.lesson(
        "01_one", "# One", WAIT, "signal('one'); wait_for('three')\nprint('fast: epoch 3/12  4 s  loss 0.5')",
        "## Scores", SCORES,
    )  # fmt: skip
    project.lesson("02_two", "# Two", "x = 1", "raise ValueError(f'expected 2; got {x}')", "y = 1")
    three = project.lesson(
        "03_three",
        "# Three",
        WAIT,
        "signal('three'); wait_for('one')\nimport os; print('seed', os.environ.get('DLCOURSE_SEED'))",
        "os.write(2, b'a library complains\\n'); print('threads', os.environ['TF_NUM_INTRAOP_THREADS'])",
    )
    runs = SimpleNamespace(project=project)

    runs.first = project.make("run-all", "JOBS=2")
    runs.failure = project.json("02_two", "failure.json")
    runs.half = nbformat.read(project.output("02_two", "02_two.ipynb"), as_version=4)
    runs.page = project.output("index.html").read_text(encoding="utf-8")
    runs.again = project.make("run-all")
    project.lesson("02_two", "# Two", "x = 2")
    runs.mended = project.make("run-all")
    (project.folder / "models" / "one.h5").unlink()
    os.utime(three)
    runs.touched = project.make("run-all")
    runs.seeded = project.make("run-all", "SEED=7")
    return runs


def test_lessons_beside_a_failing_one_finish(story):
    assert story.first.ran == {"01_one": "done", "02_two": "FAILED", "03_three": "done"}


def test_a_failure_gives_a_status_that_is_not_0(story):
    assert story.first.status != 0


def test_a_failure_is_named_with_its_cell_its_error_and_its_notebook(story):
    notebook = story.project.output("02_two", "02_two.ipynb")
    said = f"02_two failed in cell 3: ValueError: expected 2; got 1\n  see {notebook}"
    assert said in story.first.output
    assert (story.failure["cell"], story.failure["notebook"]) == (3, str(notebook))


def test_the_half_that_ran_is_there_to_look_at(story):
    counts = {cell.source: cell.execution_count for cell in story.half.cells if cell.cell_type == "code"}
    assert counts["x = 1"] == 1
    assert counts["y = 1"] is None


def test_two_lessons_run_at_once(story):
    # 01 waits for a sign of 03, and 03 for one of 01: one after the other, both would have given up.
    assert {story.first.ran["01_one"], story.first.ran["03_three"]} == {"done"}


def test_progress_names_lesson_cell_and_section(story):
    lines = re.findall(r"^\d\d:\d\d:\d\d  (01_one  cell .*)$", story.first.output, re.MULTILINE)
    assert lines == ["01_one  cell 2/5  One", "01_one  cell 3/5  One", "01_one  cell 5/5  Scores"]


def test_progress_shows_epochs(story):
    assert re.search(r"^\d\d:\d\d:\d\d  01_one  fast: epoch 3/12  4 s  loss 0.5$", story.first.output, re.MULTILINE)


def test_what_libraries_print_is_in_the_log_only(story):
    assert "a library complains" not in story.first.output
    assert "a library complains" in story.project.output("03_three", "run.log").read_text(encoding="utf-8")


def test_lessons_that_run_side_by_side_share_the_cores(story):
    threads = (int(subprocess.check_output(["nproc"])) + 1) // 2
    assert f"threads {threads}\n" in story.project.output("03_three", "run.log").read_text(encoding="utf-8")


def test_the_table_at_the_end_shows_every_lesson(story):
    table = {
        line.split()[0]: line.split()[1:]
        for line in story.first.output.splitlines()
        if re.match(r" *\d\d_\w+ +(ok|FAILED|not run)", line)
    }
    assert table["01_one"] == ["ok", "sample", "0.1", "100", "test", "accuracy", "0.875", "-"]
    assert table["02_two"] == ["FAILED"]
    assert table["03_three"][0] == "ok"


def test_the_page_is_written_although_a_lesson_failed(story):
    assert "Failed in cell 3: ValueError: expected 2; got 1" in story.page
    assert "87.5%" in story.page


def test_only_the_failed_lesson_runs_again(story):
    assert story.again.ran == {"02_two": "FAILED"}
    assert story.again.status != 0


def test_a_mended_lesson_ends_the_failure(story):
    assert story.mended.ran == {"02_two": "done"}
    assert story.mended.status == 0
    assert "failed" not in story.mended.output


def test_a_deleted_model_and_a_touched_notebook_rerun_their_lessons_only(story):
    assert story.touched.ran == {"01_one": "done", "03_three": "done"}


def test_another_seed_reruns_all_and_reaches_them(story):
    assert set(story.seeded.ran) == {"01_one", "02_two", "03_three"}
    assert "seed 7" in story.project.output("03_three", "run.log").read_text(encoding="utf-8")


def test_a_needed_lesson_runs_first_and_a_dead_kernel_stops_nobody_else(tmp_path):
    project = Project(tmp_path / "my course")
    project.lesson("01_user", "# User", "assert open('../made').read() == 'model'")
    project.lesson("02_maker", "# Maker", "import time; time.sleep(1); open('../made', 'w').write('model')")
    project.lesson("03_dies", "# Dies", "import os", "os._exit(9)")
    outputs = tmp_path / "my outputs"
    run = project.make("run-all", "JOBS=3", "NEEDS_01_user=02_maker", f"DLCOURSE_OUTPUTS={outputs}")
    assert run.ran == {"01_user": "done", "02_maker": "done", "03_dies": "FAILED"}
    assert run.order.index("02_maker") < run.order.index("01_user")
    assert "03_dies failed in cell 3: DeadKernelError" in run.output
    assert not project.output().exists()

    by_name = project.make("01_user", "NEEDS_01_user=02_maker", DLCOURSE_OUTPUTS=str(outputs))
    assert (by_name.status, by_name.ran) == (0, {})
    assert "is up to date" in by_name.output


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    project = Project(tmp_path / "my course")
    project.lesson("01_quick", "# Quick", "1")
    project.lesson("02_slow", "# Slow", WAIT, "import os; print('pid', os.getpid(), flush=True)", "wait_for('go')")
    process = project.start("run-all", "JOBS=1")
    log = project.output("02_slow", "run.log")
    until = time.monotonic() + PATIENCE
    while not (log.exists() and "Executing Cell 4" in log.read_text(encoding="utf-8")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    kernel = int(re.search(r"pid (\d+)", log.read_text(encoding="utf-8"))[1])
    assert project.output("02_slow", "02_slow.ipynb").exists()
    assert not project.output("02_slow", "run.json").exists()

    (project.folder / "go").touch()
    run = project.make("run-all", "JOBS=1")
    assert (run.status, run.ran) == (0, {"02_slow": "done"})
    assert not Path(f"/proc/{kernel}").exists() or sys.platform != "linux"  # no kernel goes on alone


def test_seeds_run_a_lesson_under_each_and_are_summarised(tmp_path):
    project = Project(tmp_path / "my course")
    by_seed = SCORES.replace("0.875", '0.8 + int(os.environ["DLCOURSE_SEED"]) / 100')
    project.lesson("01_one", "# One", by_seed)
    results = project.folder / "docs" / "results"
    results.mkdir(parents=True)
    (results / "reported.csv").write_text("lesson,metric,shown,reported,note\n", encoding="utf-8")
    run = project.make("seeds", "LESSON=01_one", "SEEDS=3")
    assert run.status == 0, run.output
    row = pd.read_csv(project.output("seeds", "01_one_expected.csv")).iloc[0]
    assert (row["expected"], row["deviation"], row["seeds"]) == (0.81, 0.01, 3)
    assert sorted(pd.read_csv(project.output("seeds", "01_one.csv"))["value"]) == [0.8, 0.81, 0.82]
    assert project.output("seeds", "2", "models", "one.h5").exists()
    assert not project.output("01_one").exists()  # the lesson's own results stay what they were
    refused = project.make("seeds", "LESSON=nobody")
    assert refused.status != 0
    assert "expected make seeds LESSON=NN_topic" in refused.output
    refused = project.make("seeds", "LESSON=01_one", "PROFILE=smoke")
    assert refused.status != 0
    assert "a smoke run says nothing of a score" in refused.output


# ---- make itself ----


def test_make_alone_lists_every_target_with_a_line_and_every_lesson(tmp_path):
    project = Project(tmp_path / "my course")
    project.lesson("01_one", "# One")
    listed = project.make()
    assert listed.status == 0
    targets = " ".join(re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for target in set(targets.split()) - {"lessons", "$(LESSONS)"}:
        assert re.search(rf"^  make {target} +\w.{{10,}}$", listed.output, re.MULTILINE), target
    assert re.search(r"^  make NN_topic .*01_one$", listed.output, re.MULTILINE)


def fake(folder: Path, name: str, version: str) -> None:
    """This Python under the version number of another."""
    folder.mkdir(exist_ok=True)
    script = folder / name
    pretend = f"import sys; sys.version_info = ({version.replace('.', ', ')}); exec(sys.argv[1])"
    script.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "Python {version}" && exit\n'
        f'[ "$1" = -c ] && exec "{sys.executable}" -c "{pretend}" "$2"\nexit 1\n',
        encoding="utf-8",
    )
    script.chmod(0o755)


def find_python(path: Path, **environment: str) -> subprocess.CompletedProcess:
    command = [ROOT / "tools" / "find-python"]
    return subprocess.run(command, env={"PATH": str(path)} | environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("version", ["3.10.14", "3.14.1"])
def test_an_unsupported_python_is_told_in_one_line(tmp_path, version):
    fake(tmp_path / "bin", "python3", version)
    found = find_python(tmp_path / "bin")
    assert found.returncode == 1
    assert found.stdout == ""
    said = rf"dlcourse needs Python 3\.11, 3\.12 or 3\.13 .*found: Python {re.escape(version)}\. .*\n"
    assert re.fullmatch(said, found.stderr)


@pytest.mark.parametrize("version", ["3.11.0", "3.13.9"])
def test_a_suitable_python_behind_an_unsuitable_one_is_found(tmp_path, version):
    fake(tmp_path / "my bin", "python3", "3.14.1")
    fake(tmp_path / "my bin", "python3.12", version)
    assert find_python(tmp_path / "my bin").stdout == f"{tmp_path / 'my bin' / 'python3.12'}\n"


def test_no_python_at_all_is_told_in_one_line(tmp_path):
    found = find_python(tmp_path)
    assert found.returncode == 1
    assert found.stderr.count("\n") == 1
    assert "dlcourse needs Python 3.11, 3.12 or 3.13" in found.stderr


def test_a_python_can_be_named(tmp_path):
    assert find_python(tmp_path, PYTHON3=sys.executable).stdout == f"{sys.executable}\n"


def test_cuda_is_installed_later_too(tmp_path):
    project = Project(tmp_path / "my course")
    assert ".[gpu]" in project.make("setup", "GPU=1", "--dry-run").output
    assert ".[gpu]" not in project.make("setup", "--dry-run").output


def test_make_stops_at_an_unsupported_python_and_leaves_nothing(tmp_path):
    project = Project(tmp_path / "my course", venv=False)
    fake(tmp_path / "bin", "python3", "3.14.1")
    run = project.make("setup", PATH=str(tmp_path / "bin"))
    assert run.status != 0
    assert "found: Python 3.14.1" in run.output
    assert len(run.output.splitlines()) == 2  # ours and make's own
    assert not (project.folder / ".venv").exists()


# ---- what make can't see by the age of files ----


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """The file of settings, in folders of this test's own."""
    for name in ("PROFILE", "SOURCE", "SEED"):
        monkeypatch.delenv(f"DLCOURSE_{name}", raising=False)
    monkeypatch.setenv("DLCOURSE_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("DLCOURSE_DATA", str(tmp_path / "data"))
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    return tmp_path / "outputs" / ".settings"


def refreshed(settings) -> bool:
    """Whether a refresh writes the settings anew."""
    os.utime(settings, (0, 0))
    batch.refresh([])
    return settings.stat().st_mtime > 0


def test_the_same_settings_leave_their_file_alone(settings):
    batch.refresh([])
    assert not refreshed(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [("PROFILE", "smoke"), ("SOURCE", "sample"), ("SEED", "1"), ("BACKBONE", "vgg16"), ("MODELS", "other")],
)
def test_another_setting_writes_them_anew(settings, monkeypatch, name, value):
    batch.refresh([])
    monkeypatch.setenv(f"DLCOURSE_{name}", value)
    assert refreshed(settings)


def test_a_default_that_is_spelled_out_changes_nothing(settings, monkeypatch):
    batch.refresh([])
    monkeypatch.setenv("DLCOURSE_SEED", "0")
    assert not refreshed(settings)


def test_data_that_arrives_writes_them_anew(settings, tmp_path):
    batch.refresh([])
    (tmp_path / "data" / "mnist" / "mnist.npz").write_bytes(b"digits")
    assert refreshed(settings)


def test_packages_that_arrive_are_no_matter(settings, tmp_path):
    batch.refresh([])
    packages = tmp_path / "data" / "wheelhouse" / "cpython-311-linux-x86_64"
    packages.mkdir(parents=True)
    (packages / "keras.whl").touch()
    assert not refreshed(settings)


def test_data_is_no_matter_to_lessons_on_the_embedded_one(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("DLCOURSE_SOURCE", "sample")
    batch.refresh([])
    (tmp_path / "data" / "mnist" / "mnist.npz").write_bytes(b"digits")
    assert not refreshed(settings)


def test_weights_that_arrive_matter_to_lessons_on_embedded_data_too(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("DLCOURSE_SOURCE", "sample")
    batch.refresh([])
    (tmp_path / "data" / "weights").mkdir()
    (tmp_path / "data" / "weights" / "vgg16.h5").write_bytes(b"weights")
    assert refreshed(settings)


def test_an_unknown_lesson_is_told(capsys):
    assert batch.run("99_nothing") == 2
    assert "got '99_nothing'" in capsys.readouterr().err
