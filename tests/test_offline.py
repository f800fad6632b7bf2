"""A classroom without internet: thirty laptops, one teacher, and Python's own web server."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from dlcourse import paths

ROOT = Path(__file__).resolve().parent.parent
CUT_OFF = ["unshare", "--map-root-user", "--net"]  # a network namespace that holds nothing but a loopback
LEFT_OUT = (".venv", ".git", "outputs", "models", "data", "grading", "__pycache__", "*.egg-info", ".*_cache")


@pytest.fixture(scope="module")
def teacher(real_data) -> Path:
    """The teacher's data folder, with a wheelhouse of the packages that are pinned today."""
    wheelhouse = real_data / "wheelhouse" / "requirements.txt"
    if not wheelhouse.exists() or wheelhouse.read_bytes() != (ROOT / "requirements.txt").read_bytes():
        pytest.skip(f"needs a wheelhouse: `make wheelhouse` has left none for this requirements.txt in {real_data}")
    if not shutil.which("unshare") or subprocess.run([*CUT_OFF, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs a wheelhouse and Linux with network namespaces")
    return real_data


def test_a_laptop_without_internet_installs_fetches_and_runs_every_lesson(teacher, tmp_path):
    laptop = tmp_path / "my laptop"
    shutil.copytree(ROOT, laptop, ignore=shutil.ignore_patterns(*LEFT_OUT))
    ours = re.compile(
        r"(DLCOURSE_.*|MAKE.*|MFLAGS|JOBS|PROFILE|SOURCE|SEED|GPU|PYTHON3|PIP_.*|UV_.*|TF_NUM_.*|OMP_.*)$"
    )
    environment = {name: value for name, value in os.environ.items() if not ours.match(name)}
    done = subprocess.run(
        [*CUT_OFF, "bash", "tests/offline_classroom.sh", teacher],
        cwd=laptop, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:]
    assert "the network is cut off" in done.stdout
    lessons = [path.stem for path in paths.notebooks()]
    assert set(re.findall(r"^\d\d:\d\d:\d\d  (\w+)  done", done.stdout, re.MULTILINE)) == set(lessons)
    packages = {path.name.split("-")[0] for path in (teacher / "wheelhouse").glob("*.whl")}
    assert {"tensorflow", "jupyterlab", "setuptools"} <= packages
    assert (
        pd.read_json(laptop / "outputs" / "smoke" / "02_digits_cnn" / "metrics.json", typ="series")["provenance"][
            "source"
        ]
        == "real"
    )
