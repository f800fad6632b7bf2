"""A folder for nbgrader in which every lesson is an assignment."""

import shutil
import subprocess
import sys
from pathlib import Path

from dlcourse import paths

CONFIG = Path(__file__).with_name("nbgrader_config.py")


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
