"""A classroom without internet: thirty laptops, one teacher, and Python's own web server.

The laptop holds what `students.zip` holds, but the lessons with their solutions, so that they run to their ends. To
save time they are a few, which together read every dataset. With `OFFLINE_LESSONS=all` it holds all of them: ten
minutes.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dlcourse import paths
from dlcourse.classroom import handouts

ROOT = Path(__file__).resolve().parent.parent
CUT_OFF = ["unshare", "--map-root-user", "--net"]  # a network namespace that holds nothing but a loopback
LESSONS = ("02_digits_cnn", "03_sentiment_lstm", "04_cats_dogs_mobilenetv2", "05_pneumonia_cnn", "13_emojify_lstm")


@pytest.fixture(scope="module")
def teacher(real_data) -> Path:
    """The teacher's data folder, with a wheelhouse of the packages that are pinned today."""
    options = [sys.executable, ROOT / "tools" / "wheelhouse.py", "options", real_data]
    if not subprocess.run(options, capture_output=True, check=True).stdout:
        pytest.skip(f"needs a wheelhouse: `make wheelhouse` has left none for this requirements.txt in {real_data}")
    if not shutil.which("unshare") or subprocess.run([*CUT_OFF, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs a wheelhouse and Linux with network namespaces")
    return real_data


def test_a_laptop_without_internet_installs_fetches_and_runs(teacher, tmp_path):
    laptop = tmp_path / "my laptop"
    needed = (*handouts.COURSE, "notebooks", "README.md", "tests/offline_classroom.sh")
    for name, path in handouts.files(needed).items():
        (laptop / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, laptop / name)
    lessons = [path.stem for path in paths.notebooks()]
    if os.environ.get("OFFLINE_LESSONS") != "all":
        for lesson in set(lessons) - set(LESSONS):
            (laptop / "notebooks" / f"{lesson}.ipynb").unlink()
        lessons = list(LESSONS)
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
    assert set(re.findall(r"^\d\d:\d\d:\d\d  (\w+)  done", done.stdout, re.MULTILINE)) == set(lessons)
    packages = {path.name.split("-")[0] for path in (teacher / "wheelhouse").glob("*/*.whl")}
    assert {"tensorflow", "jupyterlab", "setuptools"} <= packages
    for lesson in set(lessons) - {"14_famous_architectures"}:  # its lungs are drawn ones whatever the data
        record = json.loads((laptop / "outputs" / "smoke" / lesson / "metrics.json").read_text(encoding="utf-8"))
        assert record["provenance"]["source"] == "real", lesson
