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
    asked = os.environ.get("DLCOURSE_TRACKING", "")
    return f"sqlite:///{paths.outputs() / 'mlflow.db'}" if asked == "1" else asked or None


def client():
    """MLflow's client for :func:`uri`, or None where nobody asked for it.

    Raises:
        ModuleNotFoundError: if MLflow is not installed.
    """
    if uri() is None:
        return None
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a run never reaches for the network by itself
    try:
        from mlflow import MlflowClient
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "DLCOURSE_TRACKING is set, and MLflow is not installed: `.venv/bin/python -m pip install -c "
            "requirements.txt --editable '.[tracking]'` in the project's folder, or unset it"
        ) from None
    paths.outputs().mkdir(parents=True, exist_ok=True)
    with FileLock(paths.outputs() / "mlflow.lock"):  # lessons that start together would each lay out the same file
        return MlflowClient(uri())


def log(folder: Path, record: dict) -> None:
    """Log a finished run as a run of the experiment that is named after the lesson.

    Args:
        folder: the lesson's output folder; its figures and tables become artefacts, and its history metrics by epoch.
        record: the content of its ``metrics.json``: provenance and settings become parameters, scores and costs
            metrics, models and their cards artefacts.
    """
    mlflow = client()
    if mlflow is None:
        return
    from mlflow.entities import Metric, Param

    found = mlflow.get_experiment_by_name(record["lesson"])
    where = (paths.outputs() / "mlflow").as_uri() if uri().startswith("sqlite:") else None
    experiment = found.experiment_id if found else mlflow.create_experiment(record["lesson"], artifact_location=where)
    origin = {name: value for name, value in record["provenance"].items() if name != "versions"}
    settings = origin | record["provenance"]["versions"] | {"backbone": record["backbone"]}
    run = mlflow.create_run(experiment, run_name=f"{origin['source']}, {origin['profile']}, seed {origin['seed']}")
    now = run.info.start_time
    scores = {name: score["value"] for name, score in record["scores"].items()}
    costs = {name: value for name, value in record["cost"].items() if isinstance(value, int | float)}
    metrics = [Metric(name, value, now, 0) for name, value in (scores | costs).items()]
    metrics += _epochs(folder / "history.csv", now)
    for first in range(0, len(metrics), 1000):  # MLflow takes no more at once
        mlflow.log_batch(run.info.run_id, metrics=metrics[first : first + 1000])
    mlflow.log_batch(run.info.run_id, params=[Param(name, str(value)) for name, value in settings.items()])
    models = [path for model in map(Path, record["models"]) for path in (model, model.with_suffix(".json"))]
    for path in [*sorted(folder.glob("*.png")), *sorted(folder.glob("*.csv")), folder / "metrics.json", *models]:
        if path.exists():
            mlflow.log_artifact(run.info.run_id, str(path), "models" if path in models else None)
    mlflow.set_terminated(run.info.run_id)


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
