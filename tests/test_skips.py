"""The limit on skipped tests, tried on small projects of their own."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CONFTEST = Path(__file__).with_name("conftest.py")

pytest_plugins = ["pytester"]


@pytest.fixture
def project(pytester, monkeypatch):
    """A project with this one's conftest, a test that skips and one that passes."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    tests = pytester.mkdir("tests")
    (tests / "conftest.py").write_text(CONFTEST.read_text(encoding="utf-8"), encoding="utf-8")
    (tests / "test_it.py").write_text(
        "import pytest\n"
        "def test_passes(): pass\n"
        "@pytest.mark.parametrize('size', [1])\n"
        "def test_skips(size): pytest.skip('no such thing here')\n",
        encoding="utf-8",
    )
    (tests / "allowed_skips.txt").write_text("# none\n", encoding="utf-8")
    (pytester.mkdir("notebooks") / "01_a.ipynb").write_text(
        '{"cells": [{"cell_type": "code", "execution_count": null, "id": "a", "metadata": {"tags": ["nbval-skip"]}, '
        '"outputs": [], "source": "1"}], "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", '
        '"language": "python"}}, "nbformat": 4, "nbformat_minor": 5}',
        encoding="utf-8",
    )
    return pytester


def allow(project, line):
    (project.path / "tests" / "allowed_skips.txt").write_text(line + "\n", encoding="utf-8")


def test_a_skip_that_is_not_listed_fails_the_run_and_is_named(project):
    result = project.runpytest_inprocess("tests", "-p", "no:nbval")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "1 skipped, 0 of them listed in tests/allowed_skips.txt",
            "NOT ALLOWED TO SKIP: *test_skips?1? (no such thing*",
        ]
    )


def test_a_listed_skip_is_counted_and_passes(project):
    allow(project, "tests/test_it.py::test_skips[*]  GPU")
    result = project.runpytest_inprocess("tests", "-p", "no:nbval")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["1 skipped, 1 of them listed in tests/allowed_skips.txt"])


def test_a_need_that_is_no_excuse_is_refused(project):
    allow(project, "tests/test_it.py::test_skips[1]  too slow")
    result = project.runpytest_inprocess("tests", "-p", "no:nbval")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "expected a pattern, two spaces and one of real data, browser, GPU, wheelhouse" in result.stderr.str()


def test_a_file_that_skips_as_a_whole_counts(project):
    (project.path / "tests" / "test_it.py").write_text(
        "import pytest\npytest.importorskip('no_such_module')\n", encoding="utf-8"
    )
    result = project.runpytest_inprocess("tests", "-p", "no:nbval")
    result.stdout.fnmatch_lines(["NOT ALLOWED TO SKIP: tests/test_it.py *"])


def test_an_expected_failure_is_no_skip(project):
    (project.path / "tests" / "test_it.py").write_text(
        "import pytest\n@pytest.mark.xfail\ndef test_fails(): assert False\n", encoding="utf-8"
    )
    result = project.runpytest_inprocess("tests", "-p", "no:nbval")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["0 skipped, *"])


def test_skipped_cells_of_notebooks_count_too(project):
    allow(project, "tests/*  GPU")
    result = project.runpytest_subprocess("--nbval-lax", "notebooks", "tests")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["2 skipped, 1 of them listed *", "NOT ALLOWED TO SKIP: notebooks/01_a.ipynb::Cell 0 *"]
    )


def test_outputs_go_to_a_folder_that_vanishes(project, monkeypatch):
    for name in ("OUTPUTS", "MODELS", "CACHE"):
        monkeypatch.delenv(f"DLCOURSE_{name}", raising=False)
    (project.path / "tests" / "test_it.py").write_text(
        "import pathlib\nfrom dlcourse import paths\n"
        "def test_writes():\n"
        "    paths.models().mkdir(parents=True)\n"
        "    pathlib.Path('used').write_text(str(paths.models()))\n",
        encoding="utf-8",
    )
    assert project.runpytest_inprocess("tests", "-p", "no:nbval").ret == pytest.ExitCode.OK
    used = Path((project.path / "used").read_text(encoding="utf-8"))
    assert not used.exists()
    assert ROOT not in used.parents
