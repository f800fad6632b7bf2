"""Running lessons headless: papermill with live progress, and the record of what ran and what failed."""

import json
import logging
import os
import re
import sys
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path

from dlcourse import paths, reports

# A line of training.EpochLog, such as "report: epoch 3/12  24 s  loss 0.0312".
_EPOCH_LINE = re.compile(r"^.*\bepoch \d+/\d+ .*$", re.MULTILINE)
_LOG_LINE = re.compile(
    r"^(?:[IWE]\d{4} \d\d:|\d{4}-\d\d-\d\d .*: [IWE] |WARNING: All log messages before|To enable the following).*\n?",
    re.MULTILINE,
)


def run(lesson: str) -> int:
    """Execute one notebook into ``outputs/<lesson>/`` and print its progress, a line a cell and a line an epoch.

    The executed notebook is written as it grows, so that a failed or stopped run leaves its half to look at.
    ``run.json`` marks a finished run, ``failure.json`` a failed one.

    Args:
        lesson: the notebook's name without its ending.

    Returns:
        The exit status: 0, 1 if a cell failed, or 2 if there is no such lesson.
    """
    names = [path.stem for path in paths.notebooks()]
    if lesson not in names:
        print(f"expected one of {', '.join(names)}; got {lesson!r}", file=sys.stderr)
        return 2
    import papermill
    from papermill.exceptions import PapermillExecutionError

    notebook = paths.ROOT / "notebooks" / f"{lesson}.ipynb"
    folder = paths.outputs() / lesson
    folder.mkdir(parents=True, exist_ok=True)
    for stale in ("run.json", "failure.json", "metrics.json"):
        (folder / stale).unlink(missing_ok=True)
    os.environ.pop("JPY_SESSION_NAME", None)  # of a notebook that calls make: nobody looks on in JupyterLab here
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    executed = folder / f"{lesson}.ipynb"
    started = time.perf_counter()
    failure = None
    with _Progress(lesson, cells, folder / "run.log") as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # papermill's own, about its dependencies
        try:
            papermill.execute_notebook(
                notebook, executed, cwd=notebook.parent, kernel_name="python3",
                progress_bar=False, log_output=True, start_timeout=120,
                extra_arguments=["--IPKernelApp.log_level=ERROR"],  # it warns that localhost is not encrypted
            )  # fmt: skip
        except PapermillExecutionError as error:
            failure = {"cell": error.cell_index + 1, "error": f"{error.ename}: {error.evalue}"}
        except Exception as error:  # a kernel that died, of memory for example, has no cell of its own
            failure = {"cell": progress.cell, "error": f"{type(error).__name__}: {error}"}
        if executed.exists():
            _remove_log_lines(executed)
        minutes = (time.perf_counter() - started) / 60
        record = {"lesson": lesson, "finished": datetime.now(UTC).isoformat(timespec="seconds"), "minutes": minutes}
        if failure:
            record |= failure | {"notebook": str(executed)}
            progress.say(f"FAILED in cell {failure['cell']}: {failure['error'].splitlines()[0]}")
            _write(folder / "failure.json", record)
            return 1
        record["products"] = _products(folder)
        _write(folder / "run.json", record)
        progress.say(f"done in {minutes:.1f} minutes")
    return 0


def refresh(lessons: list[str]) -> None:
    """Tell make what a file's age cannot: changed settings, and products that somebody deleted.

    Rewrites ``outputs/.settings`` if profile, source, seed, backbone or the data that is present differ from the last
    run's, and removes the mark of every finished lesson that lacks one of its products.
    """
    settings = {
        variable: os.environ.get(f"DLCOURSE_{variable}", default)
        for variable, default in (("PROFILE", "full"), ("SOURCE", "auto"), ("SEED", "0"), ("BACKBONE", "auto"))
    }
    settings["models"] = str(paths.models())
    used = "weights/*" if settings["SOURCE"] == "sample" else "*/*"
    present = (path for path in paths.data().glob(used) if path.is_file())
    settings["data"] = sorted(f"{path} {path.stat().st_size}" for path in present)
    text = json.dumps(settings, indent=2) + "\n"
    file = paths.outputs() / ".settings"
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    for lesson in lessons:
        mark = paths.outputs() / lesson / "run.json"
        if mark.exists():
            products = json.loads(mark.read_text(encoding="utf-8"))["products"]
            if not all((paths.ROOT / product).exists() for product in products):
                mark.unlink()


def summarise(lessons: list[str]) -> int:
    """Print the table of the lessons' last runs and every failure; return 1 if one failed or fell short, else 0."""
    table = reports.summary(lessons)
    print(table.to_string(index=False))
    failed = reports.failures(lessons)
    for failure in failed:
        print(
            f"\n{failure['lesson']} failed in cell {failure['cell']}: {failure['error']}\n  see {failure['notebook']}"
        )
    short = table.loc[table["status"] == "FELL SHORT", "lesson"].tolist()
    if short:
        print(f"\nbelow what is expected: {', '.join(short)}; see {paths.outputs() / 'index.html'}")
    return 1 if failed or short else 0


def _remove_log_lines(notebook: Path) -> None:
    """Take TensorFlow's C++ log, which no setting silences at import, out of the outputs; errors of cells stay."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                output["text"] = _LOG_LINE.sub("", "".join(output["text"]))
        if "outputs" in cell:
            cell["outputs"] = [output for output in cell["outputs"] if output.get("text") != ""]
    _write(notebook, content)


def _products(folder: Path) -> list[str]:
    record = reports.read_metrics(folder)
    models = [Path(path) for path in record["models"]] if record else []
    return [str(path) for path in [folder / f"{folder.name}.ipynb", *models]]


def _write(path: Path, record: dict) -> None:
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


class _Progress(logging.Handler):
    """Turns papermill's log into lines that name the lesson, the cell and its section, or an epoch."""

    def __init__(self, lesson: str, cells: list[dict], log: Path):
        super().__init__(logging.INFO)
        self.lesson, self.log, self.cell = lesson, log, 0
        self.sections, section = [], ""
        for cell in cells:
            if cell["cell_type"] == "markdown":
                headings = re.findall(r"^#+ +(.*)", "".join(cell["source"]), re.MULTILINE)
                section = headings[-1] if headings else section
            self.sections.append(section)
        self.code = [cell["cell_type"] == "code" for cell in cells]

    def __enter__(self):
        self.file = open(self.log, "w", encoding="utf-8")  # closed in __exit__
        # The kernel inherits this process's stderr. What TensorFlow and a crash print there belongs in the log.
        self.stderr = os.dup(2)
        os.dup2(self.file.fileno(), 2)
        self.logger = logging.getLogger("papermill")
        self.logger.handlers, self.logger.propagate = [self], False
        self.logger.setLevel(logging.INFO)
        return self

    def __exit__(self, *_):
        self.logger.handlers = []
        os.dup2(self.stderr, 2)
        os.close(self.stderr)
        self.file.close()

    def emit(self, record: logging.LogRecord) -> None:
        """Log the message, and print it if it starts a cell or ends an epoch."""
        message = record.getMessage()
        self.file.write(message + "\n")
        self.file.flush()
        if starting := re.match(r"Executing Cell (\d+)", message):
            self.cell = int(starting[1])
            if self.code[self.cell - 1]:
                self.say(f"cell {self.cell}/{len(self.code)}  {self.sections[self.cell - 1]}")
        for line in _EPOCH_LINE.findall(message):
            self.say(line.strip())

    def say(self, text: str) -> None:
        print(f"{datetime.now():%H:%M:%S}  {self.lesson}  {text}", flush=True)
