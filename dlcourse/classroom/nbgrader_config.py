"""The course in nbgrader's eyes; `make grading` copies this file into the folder `grading/`, where nbgrader runs it."""

import os
import sys
from pathlib import Path

from dlcourse.classroom import grading, handouts

c = get_config()  # noqa: F821 - nbgrader, which runs this file, defines it

# nbgrader calls alembic by its name, which stands beside this Python.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
c.CourseDirectory.course_id = "dlcourse"
c.ClearSolutions.code_stub = handouts.STUB
# A submission is executed from its top, on a small part of the embedded data: in seconds instead of minutes. The tests
# hold for any profile and any data. What somebody sets in the environment wins.
for name, value in {"PROFILE": "smoke", "SOURCE": "sample", "SEED": "0", "BACKBONE": "stand-in"}.items():
    os.environ.setdefault(f"DLCOURSE_{name}", value)
c.Autograde.autograde_preprocessors.prepend([grading.OwnFolders])
c.OwnFolders.models = str(Path(__file__).resolve().with_name("models"))
c.Execute.timeout = 300  # seconds a cell: an endless loop is interrupted, and costs its exercise only
c.Execute.startup_timeout = 120
