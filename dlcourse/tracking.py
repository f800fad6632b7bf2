"""Experiment tracking, optional: what a run of a lesson was asked, what it scored and what it left, in MLflow.

``DLCOURSE_TRACKING=1`` logs to a local SQLite file, ``outputs/mlflow.db``; any other value is MLflow's tracking URI.
MLflow comes with the extra ``tracking`` and is imported only where it is asked for.
"""

import csv
import os
import re
from pathlib import Path

from filelock import FileLock

from dlcourse import paths


def uri() -> str | None:
    """Where runs are logged to, or None where nobody asked for it."""
    asked = os.environ.get("DLCOURSE_TRACKING", "0")
    if asked not in ("", "0", "1") and "://" not in asked:
        raise ValueError(f"DLCOURSE_TRACKING: expected 1 or an address such as http://teacher:5000; got {asked!r}")
    return {"": None, "0": None, "1": f"sqlite:///{paths.outputs() / 'mlflow.db'}"}.get(asked, asked)


def client():
    """MLflow's client for :func:`uri`, or None where nobody asked for it.

    Raises:
        ModuleNotFoundError: if MLflow is not installed.
        ConnectionError: if the store does not answer or is none.
        ValueError: if what was asked for is no address.
    """
    if uri() is None:
        return None
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a run never reaches for the network by itself
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # seconds; MLflow's seven are minutes
    try:
        from mlflow import MlflowClient
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "DLCOURSE_TRACKING is set, and MLflow is not installed: `.venv/bin/python -m pip install -c "
            "requirements.txt --editable '.[tracking]'` in the project's folder, or unset it"
        ) from None
    paths.outputs().mkdir(parents=True, exist_ok=True)
    with FileLock(paths.outputs() / "mlflow.lock"):  # lessons that start together would each lay out the same file
        try:
            mlflow = MlflowClient(uri())
            mlflow.search_experiments(max_results=1)
        except Exception as error:  # MLflow's, the database's, a missing driver
            message = f"no MLflow store at {uri()}: correct or unset DLCOURSE_TRACKING; {error}".splitlines()[0]
            raise ConnectionError(re.sub(r"//[^/@\s]*@", "//***@", message)) from None  # no password in a notebook
        return mlflow


def log(folder: Path, record: dict) -> None:
    """Log a finished run as a run of the experiment that is named after the lesson.

    Args:
        folder: the lesson's output folder; its figures and tables become artefacts, and its history metrics by epoch.
        record: the content of its ``metrics.json``: provenance and settings become parameters, scores and costs
            metrics, models and their cards artefacts.
    """
    if (mlflow := client()) is None:
        return
    from mlflow.entities import Metric, Param

    found = mlflow.get_experiment_by_name(record["lesson"])
    where = (paths.outputs() / "mlflow").as_uri() if uri().startswith("sqlite:") else None
    experiment = found.experiment_id if found else mlflow.create_experiment(record["lesson"], artifact_location=where)
    origin = {name: value for name, value in record["provenance"].items() if name != "versions"}
    settings = origin | record["provenance"]["versions"] | {"backbone": record["backbone"]}
    name = f"{origin['source']}, {origin['profile']}, seed {origin['seed']}"
    run = mlflow.create_run(experiment, run_name=name).info
    numbers = {name: score["value"] for name, score in record["scores"].items()} | record["cost"]
    metrics = [Metric(name, x, run.start_time, 0) for name, x in numbers.items() if isinstance(x, int | float)]
    metrics += _epochs(folder / "history.csv", run.start_time)
    models = [path for model in map(Path, record["models"]) for path in (model, model.with_suffix(".json"))]
    try:
        for first in range(0, len(metrics), 1000):  # MLflow takes no more at once
            mlflow.log_batch(run.run_id, metrics=metrics[first : first + 1000])
        mlflow.log_batch(run.run_id, params=[Param(name, str(value)) for name, value in settings.items()])
        for path in [*sorted(folder.glob("*.png")), *sorted(folder.glob("*.csv")), folder / "metrics.json", *models]:
            if path.exists():
                mlflow.log_artifact(run.run_id, str(path), "models" if path in models else None)
    except BaseException:
        mlflow.set_terminated(run.run_id, "FAILED")
        raise
    mlflow.set_terminated(run.run_id)


def _epochs(history: Path, now: int) -> list:
    from mlflow.entities import Metric

    if not history.exists():
        return []
    with history.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        # MLflow allows letters, digits and these in a name.
        Metric(re.sub(r"[^\w\-. /]", " ", f"{row.get('run') or 'run'}/{name}"), float(value), now, int(row["epoch"]))
        for row in rows
        for name, value in row.items()
        if name not in ("run", "epoch") and value
    ]
