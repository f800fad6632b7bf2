"""The course in nbgrader's eyes; `make grading` copies this file into the folder `grading/`, where nbgrader runs it."""

import os
import sys
from pathlib import Path

from nbgrader import preprocessors
from nbgrader.converters import Autograde

from dlcourse.classroom import grading, handouts

c = get_config()  # noqa: F821 - nbgrader, which runs this file, defines it

# nbgrader calls alembic by its name, which stands beside this Python.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
c.CourseDirectory.course_id = "dlcourse"
c.ClearSolutions.code_stub = handouts.STUB
c.Autograde.autograde_preprocessors = [
    grading.Execute if step is preprocessors.Execute else step
    for step in Autograde.autograde_preprocessors.default_args[0]
]
c.Execute.folder = str(Path(__file__).resolve().parent)
c.Execute.timeout = 300  # seconds a cell: an endless loop is interrupted, and costs its exercise only
c.Execute.startup_timeout = 120
