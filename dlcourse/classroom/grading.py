"""A folder for nbgrader in which every lesson is an assignment."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Unicode

from dlcourse import paths

CONFIG = Path(__file__).with_name("nbgrader_config.py")


class OwnFolders(NbGraderPreprocessor):
    """nbgrader's first step with a submission: outputs and models of its own, which go when it has been graded.

    The models that its lesson loads are the teacher's, whatever another submission has trained; nor does one write
    into the results of the course.
    """

    models = Unicode(help="folder of the models that lessons load").tag(config=True)

    def preprocess(self, nb, resources):
        """Make the folders and name them in the environment, which the kernel takes over."""
        self._folder = tempfile.TemporaryDirectory(prefix="dlcourse-")
        own = Path(self._folder.name)
        if Path(self.models).is_dir():
            shutil.copytree(self.models, own / "models")
        os.environ |= {f"DLCOURSE_{name.upper()}": str(own / name) for name in ("outputs", "models", "cache")}
        return nb, resources


def prepare(folder: Path, lessons: list[str]) -> int:
    """Set up or renew `folder` for nbgrader: its settings, the lessons, and what is given to the students.

    What students have submitted and what has been graded stays. ``submitted/NAME/LESSON/LESSON.ipynb`` is where
    nbgrader looks for a submission.

    Returns:
        nbgrader's exit status.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(CONFIG, folder / CONFIG.name)
    for lesson in lessons:
        source = folder / "source" / lesson
        source.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(paths.ROOT / "notebooks" / f"{lesson}.ipynb", source / f"{lesson}.ipynb")
        command = [sys.executable, "-m", "nbgrader", "generate_assignment", "--force", "--log-level=WARN", lesson]
        status = subprocess.run(command, cwd=folder, check=False).returncode
        if status:
            return status
    print(f"{folder}: release/ is for the students; put what they send into submitted/NAME/LESSON/LESSON.ipynb, then, "
          "in that folder: nbgrader autograde LESSON; nbgrader export")  # fmt: skip
    return 0
