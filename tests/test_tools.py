"""The tools beside the package: where pip takes its packages from, and the address in the badges."""

import functools
import http.server
import os
import platform
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COLLECTION = f"wheelhouse/{sys.implementation.cache_tag}-{sys.platform}-{platform.machine()}"


@pytest.fixture
def project(tmp_path):
    """A folder with a space in its name that holds the tools and what they read."""
    folder = tmp_path / "my course"
    for name in ("tools", "notebooks", "docs"):
        (folder / name).mkdir(parents=True)
    for name in ("tools/wheelhouse.py", "tools/set_repository.py", "pyproject.toml", "requirements.txt",
                 "docs/template.ipynb", "notebooks/12_gan.ipynb"):  # fmt: skip
        shutil.copyfile(ROOT / name, folder / name)
    return folder


def run(project, tool, *arguments, mirror=None):
    environment = os.environ | ({"DLCOURSE_MIRROR": mirror} if mirror else {})
    if not mirror:
        environment.pop("DLCOURSE_MIRROR", None)
    command = [sys.executable, project / "tools" / tool, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=project, check=False)


def collect(project, where, requirements=None, collection=COLLECTION):
    folder = project / where / collection
    folder.mkdir(parents=True)
    text = (project / "requirements.txt").read_text(encoding="utf-8") if requirements is None else requirements
    (folder / "requirements.txt").write_text(text, encoding="utf-8")


@pytest.fixture
def mirror(project):
    """A static server over the folder `served`."""
    (project / "served").mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=project / "served")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_without_a_wheelhouse_pip_is_left_alone(project):
    done = run(project, "wheelhouse.py", "options", "data")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_wheelhouse_in_the_data_folder_is_used_instead_of_the_index(project):
    collect(project, "my data")
    done = run(project, "wheelhouse.py", "options", "my data")
    folder = (project / "my data" / COLLECTION).resolve().as_uri()
    assert done.stdout.split() == ["--no-index", "--find-links", f"{folder}/"]


def test_a_wheelhouse_of_other_packages_is_not_used_and_that_is_said(project):
    collect(project, "data", requirements="keras==1\n")
    done = run(project, "wheelhouse.py", "options", "data")
    assert done.stdout == ""
    assert "was collected for another requirements.txt: not used" in done.stderr


def test_a_wheelhouse_for_another_kind_of_machine_is_not_used(project):
    collect(project, "data", collection="wheelhouse/cpython-27-beos-z80")
    done = run(project, "wheelhouse.py", "options", "data")
    assert done.stdout == ""
    needed = COLLECTION.removeprefix("wheelhouse/")
    assert done.stderr.endswith(f"wheelhouse holds cpython-27-beos-z80; this machine needs {needed}: not used\n")


def test_the_teachers_wheelhouse_comes_first(project, mirror):
    collect(project, "served")
    collect(project, "data")
    done = run(project, "wheelhouse.py", "options", "data", mirror=f"http://{mirror}/")
    assert done.stdout.split() == [
        "--no-index", "--find-links", f"http://{mirror}/{COLLECTION}/", "--trusted-host", mirror,
    ]  # fmt: skip


def test_a_mirror_without_packages_is_no_obstacle_and_that_is_said(project, mirror):
    done = run(project, "wheelhouse.py", "options", "data", mirror=f"http://{mirror}")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"no packages at http://{mirror}/{COLLECTION} (File not found): not used\n"


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "teacher:8000", "http://[", "http://teacher:port"])
def test_a_mirror_that_cannot_be_reached_is_named(project, address):
    done = run(project, "wheelhouse.py", "options", "data", mirror=address)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith(f"no packages at {address}/{COLLECTION} (")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def index(project, monkeypatch):
    """A folder that pip takes packages from instead of the index, and an old collection that is to be replaced."""
    (project / "requirements.txt").write_text("", encoding="utf-8")  # setuptools is collected beside what is pinned
    collect(project, "data", requirements="old")
    (project / "data" / COLLECTION / "old.whl").touch()
    (project / "index").mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", (project / "index").as_uri())
    return project / "index"


def test_packages_are_collected_with_the_list_they_are_for(project, index):
    with zipfile.ZipFile(index / "setuptools-99-py3-none-any.whl", "w") as wheel:
        about = "setuptools-99.dist-info"
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: setuptools\nVersion: 99\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    done = run(project, "wheelhouse.py", "collect", "data")
    assert done.returncode == 0, done.stderr
    found = {path.name for path in (project / "data" / COLLECTION).iterdir()}
    assert found == {"requirements.txt", "setuptools-99-py3-none-any.whl"}
    assert run(project, "wheelhouse.py", "options", "data").stdout.startswith("--no-index --find-links file:")


def test_packages_that_cannot_be_collected_leave_the_old_ones(project, index):
    assert run(project, "wheelhouse.py", "collect", "data").returncode != 0
    (left,) = (project / "data" / "wheelhouse").iterdir()
    assert {path.name for path in left.iterdir()} == {"requirements.txt", "old.whl"}


def test_an_address_is_written_into_project_and_badges(project):
    assert run(project, "set_repository.py", "https://github.com/ada/dlcourse-2").returncode == 0
    assert 'Repository = "https://github.com/ada/dlcourse-2"' in (project / "pyproject.toml").read_text()
    for name in ("notebooks/12_gan.ipynb", "docs/template.ipynb"):
        text = (project / name).read_text(encoding="utf-8")
        assert "colab.research.google.com/github/ada/dlcourse-2/blob/v" in text
        assert "git+https://github.com/ada/dlcourse-2@v" in text
        assert "your_account" not in text


def test_an_address_can_be_written_again(project):
    for address in ("https://github.com/ada/dlcourse-2", "https://github.com/ada/dlcourse"):
        assert run(project, "set_repository.py", address).returncode == 0
    text = (project / "notebooks" / "12_gan.ipynb").read_text(encoding="utf-8")
    assert "dlcourse-2" not in text
    assert "github/ada/dlcourse/blob/" in text


@pytest.mark.parametrize("arguments", [(), ("ada/dlcourse",), ("https://example.org/ada/dlcourse",)])
def test_what_is_no_repository_is_refused(project, arguments):
    before = (project / "pyproject.toml").read_bytes()
    done = run(project, "set_repository.py", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("expected an address such as https://github.com/account/dlcourse; got ")
    assert (project / "pyproject.toml").read_bytes() == before
