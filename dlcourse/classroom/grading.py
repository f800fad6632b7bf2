"""A folder for nbgrader in which every lesson is an assignment."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient.exceptions import DeadKernelError
from nbgrader import preprocessors
from traitlets import Unicode

from dlcourse import paths

CONFIG = Path(__file__).with_name("nbgrader_config.py")
# A submission is executed from its top, on a small part of the embedded data: in seconds instead of minutes. The tests
# hold for any profile and any data. Nothing is logged, whatever the teacher's own runs are.
# The Makefile trains the models that lessons load with the same.
SETTINGS = {"PROFILE": "smoke", "SOURCE": "sample", "SEED": "0", "BACKBONE": "stand-in", "TRACKING": "0"}


class Execute(preprocessors.Execute):
    """nbgrader's run of a submission, in folders of its own, and to its end even where a cell ends Python.

    The cell of parameters that is run is the teacher's: what a student typed into it stays without effect. So are the
    models that a lesson loads, whatever another submission has trained; nor does one write into the results of the
    course. The folders go when it has been graded.
    """

    folder = Unicode(help="the folder of nbgrader, where source/ and models/ are the teacher's").tag(config=True)

    def preprocess(self, nb, resources, **others):
        """Run the notebook; anew without the cell that ended Python, which then counts as one that failed."""
        self._folder = tempfile.TemporaryDirectory(prefix="dlcourse-")
        own = Path(self._folder.name)
        if (models := Path(self.folder, "models")).is_dir():
            shutil.copytree(models, own / "models")
        folders = {name: str(own / name.lower()) for name in ("OUTPUTS", "MODELS", "CACHE")}
        os.environ |= {f"DLCOURSE_{name}": value for name, value in (SETTINGS | folders).items()}  # the kernel's too
        theirs = {}  # what a student has in a cell that is run with something else

        def instead(index, source):
            theirs[index] = nb.cells[index].source
            nb.cells[index].source = source

        if (index := _parameters(nb)) is not None:
            instead(index, self._teachers_parameters(resources["nbgrader"]))
        try:
            while True:
                try:
                    return super().preprocess(nb, resources, **others)
                except DeadKernelError:
                    if self._index in theirs:
                        raise  # whatever ends it, the student's cell does not
                    instead(self._index, "raise RuntimeError('this cell ended Python')")
        finally:
            for index, source in theirs.items():
                nb.cells[index].source = source

    def preprocess_cell(self, cell, resources, index):
        """Run a cell and remember which."""
        self._index = index
        return super().preprocess_cell(cell, resources, index)

    def _teachers_parameters(self, names: dict) -> str:
        path = Path(self.folder, "source", names["assignment"], f"{names['notebook']}.ipynb")
        lesson = nbformat.read(path, as_version=4)
        return lesson.cells[_parameters(lesson)].source


def _parameters(notebook: nbformat.NotebookNode) -> int | None:
    tagged = (index for index, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ()))
    return next(tagged, None)


def prepare(folder: Path, lessons: list[str]) -> int:
    """Set up or renew `folder` for nbgrader: its settings, the lessons, and what is given to the students.

    What students have submitted and what has been graded stays. ``submitted/NAME/LESSON/LESSON.ipynb`` is where
    nbgrader looks for a submission.

    Returns:
        nbgrader's exit status, or 2 where a lesson holds no solutions.
    """
    sources = {lesson: paths.ROOT / "notebooks" / f"{lesson}.ipynb" for lesson in lessons}
    if unsolved := [name for name, path in sources.items() if "BEGIN SOLUTION" not in path.read_text("utf-8")]:
        print(f"expected lessons with solutions and tests, as in all.zip; {unsolved[0]} has none", file=sys.stderr)
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(CONFIG, folder / CONFIG.name)
    for lesson, path in sources.items():
        source = folder / "source" / lesson
        source.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, source / path.name)
        command = [sys.executable, "-m", "nbgrader", "generate_assignment", "--force", "--log-level=WARN", lesson]
        status = subprocess.run(command, cwd=folder, check=False).returncode
        if status:
            return status
    print(f"{folder}: release/ is for the students; put what they send into submitted/NAME/LESSON/LESSON.ipynb, then, "
          "in that folder: nbgrader autograde LESSON; nbgrader export")  # fmt: skip
    return 0
