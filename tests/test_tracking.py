"""Experiment tracking against real MLflow and a real SQLite file."""

import json
import os
import subprocess
import sys

import pytest
from mlflow import MlflowClient

from dlcourse import paths, reports, runtime, tracking

LESSON = "02_digits_cnn"
PROVENANCE = {
    "lesson": LESSON, "source": "sample", "data": "scikit-learn's digits", "weights": "trained here", "profile": "full",
    "seed": 3, "precision": "float32", "device": "CPU (2 cores)", "versions": {"keras": "3.15.1"}, "commit": "abc",
}  # fmt: skip
COST = {"minutes": 1.5, "peak_memory_mb": 900.0, "cores": 2}


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    """A lesson's folder as a run leaves it, in a path with a space, and nothing asked for yet."""
    folder = tmp_path / "my outputs" / LESSON
    folder.mkdir(parents=True)
    monkeypatch.setenv("DLCOURSE_OUTPUTS", str(folder.parent))
    monkeypatch.delenv("DLCOURSE_TRACKING", raising=False)
    (folder / "scores.png").write_bytes(b"picture")
    epochs = (
        "run,epoch,seconds,loss,val_loss",
        '"report\'s, 1",1,0.5,2.0,2.5',
        '"report\'s, 1",2,1.0,1.0,',
        "quick,1,0.2,1.5,1.6",
    )
    (folder / "history.csv").write_text("\n".join(epochs) + "\n", encoding="utf-8")
    return folder


def finish(folder):
    model = folder / "digits.h5"
    model.write_bytes(b"weights")
    model.with_suffix(".json").write_text("{}", encoding="utf-8")
    scores = {"test_accuracy": 0.9}
    reports.write_metrics(folder, scores, provenance=PROVENANCE, cost=COST, models=(model,), backbone="-")


def logged(folder):
    client = MlflowClient(f"sqlite:///{folder.parent / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(LESSON)
    return client, client.search_runs([experiment.experiment_id])


def test_nothing_is_logged_where_nobody_asked(outputs):
    finish(outputs)
    assert not (outputs.parent / "mlflow.db").exists()
    assert tracking.client() is None


def test_one_variable_logs_settings_scores_costs_and_files(outputs, monkeypatch):
    monkeypatch.setenv("DLCOURSE_TRACKING", "1")
    finish(outputs)
    client, (run,) = logged(outputs)
    assert run.info.status == "FINISHED"
    assert {"seed": "3", "source": "sample", "keras": "3.15.1", "backbone": "-"}.items() <= run.data.params.items()
    assert {"test_accuracy": 0.9, "minutes": 1.5, "peak_memory_mb": 900}.items() <= run.data.metrics.items()
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert files == {"scores.png", "history.csv", "metrics.json", "models"}
    models = {file.path for file in client.list_artifacts(run.info.run_id, "models")}
    assert models == {"models/digits.h5", "models/digits.json"}
    assert json.loads((outputs / "metrics.json").read_text(encoding="utf-8"))["lesson"] == LESSON


def test_epochs_become_curves_by_run(outputs, monkeypatch):
    monkeypatch.setenv("DLCOURSE_TRACKING", "1")
    finish(outputs)
    client, (run,) = logged(outputs)
    loss = client.get_metric_history(run.info.run_id, "report s  1/loss")
    assert [(point.step, point.value) for point in loss] == [(1, 2.0), (2, 1.0)]
    assert len(client.get_metric_history(run.info.run_id, "report s  1/val_loss")) == 1  # an empty cell is no number
    assert len(client.get_metric_history(run.info.run_id, "quick/loss")) == 1


def test_a_second_run_joins_the_experiment(outputs, monkeypatch):
    monkeypatch.setenv("DLCOURSE_TRACKING", "1")
    finish(outputs)
    finish(outputs)
    assert len(logged(outputs)[1]) == 2


def test_any_other_value_is_the_address_of_a_store(outputs, monkeypatch, tmp_path):
    monkeypatch.setenv("DLCOURSE_TRACKING", f"sqlite:///{tmp_path / 'other.db'}")
    finish(outputs)
    assert (tmp_path / "other.db").exists()
    assert not (outputs.parent / "mlflow.db").exists()


def test_a_missing_mlflow_is_told_when_the_lesson_starts(outputs, monkeypatch):
    monkeypatch.setenv("DLCOURSE_TRACKING", "1")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ModuleNotFoundError, match=r"MLflow is not installed: .*\[tracking\]"):
        runtime.start(LESSON, profile="smoke", source="sample", seed=0)


ADDRESSES = ["http://127.0.0.1:1", "nonsense://store", "postgresql://ada:secret@127.0.0.1:1/runs", "sqlite:///{}"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_store_that_is_not_there_is_told_when_the_lesson_starts(outputs, monkeypatch, address):
    monkeypatch.setenv("DLCOURSE_TRACKING", address.format(outputs / "history.csv"))  # a file, and no database
    with pytest.raises(ConnectionError, match="no MLflow store at") as raised:
        runtime.start(LESSON, profile="smoke", source="sample", seed=0)
    message = str(raised.value)
    assert f"at {address.partition('{')[0].replace('ada:secret', '***')}" in message
    assert "secret" not in message
    assert "\n" not in message


def test_what_is_no_address_is_told_and_0_is_off(outputs, monkeypatch):
    monkeypatch.setenv("DLCOURSE_TRACKING", "true")
    with pytest.raises(ValueError, match=r"expected 1 or an address such as .*; got 'true'"):
        tracking.client()
    monkeypatch.setenv("DLCOURSE_TRACKING", "0")
    assert tracking.client() is None


def test_a_run_whose_files_cannot_be_logged_counts_as_failed(outputs, monkeypatch):
    monkeypatch.setenv("DLCOURSE_TRACKING", "1")
    (outputs.parent / "mlflow").write_text("where artefacts should go")
    with pytest.raises(OSError, match="mlflow"):
        finish(outputs)
    assert logged(outputs)[1][0].info.status == "FAILED"


def test_lessons_that_start_at_once_share_one_new_store_and_tell_nobody_outside(outputs):
    code = (
        "from dlcourse import tracking; tracking.client(); "
        "from mlflow.telemetry.utils import is_telemetry_disabled; print(is_telemetry_disabled())"
    )
    kept = ("PATH", "HOME", "DLCOURSE_OUTPUTS")  # where nothing hints at a test, MLflow reports to its makers
    environment = {name: os.environ[name] for name in kept if name in os.environ} | {"DLCOURSE_TRACKING": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", code]
    started = [subprocess.Popen(command, env=environment, cwd=paths.ROOT, **pipes) for _ in range(3)]
    answers = [(*process.communicate(), process.returncode) for process in started]
    assert [(said, status) for said, _, status in answers] == [("True\n", 0)] * 3, answers
