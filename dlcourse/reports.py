"""Metrics and expected results.

A lesson's run leaves ``metrics.json``; full runs become rows of ``docs/results/runs.csv``, and the table of expected
results is computed from those rows and from what the reports printed. Nothing here imports TensorFlow.
"""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from dlcourse import paths, tracking

KEY = ["lesson", "metric", "source", "backbone", "weights"]
RUN_COLUMNS = [*KEY, "seed", "value", "commit", "data"]
TABLE_STARTS, TABLE_ENDS = "<!-- results: written by `python -m dlcourse record` -->", "<!-- end of results -->"
EXPECTED_COLUMNS = [*KEY, "reported", "expected", "deviation", "tolerance", "seeds", "note"]


def write_metrics(
    folder: Path, scores: dict, *, provenance: dict, cost: dict, models: tuple[Path, ...] = (), backbone: str = "-"
) -> pd.DataFrame:
    """Write a lesson's ``metrics.json``, log it where tracking is on, and compare its scores with what is expected.

    Args:
        folder: the lesson's output folder.
        scores: metric name to a number or an ``evaluation.Score``; the first is the lesson's main score.
        provenance: from ``runtime.Lesson.provenance``.
        cost: from ``runtime.Lesson.cost``.
        models: the ``.h5`` files the lesson saved; their sizes complete the cost card.
        backbone: the pretrained body, where the lesson has one.

    Returns:
        A table with a row a score: reported, expected, tolerance, got and verdict (see :func:`compare`).
    """
    numbers = {
        name: vars(score) if hasattr(score, "value") else {"value": float(score)} for name, score in scores.items()
    }
    record = {
        "lesson": provenance["lesson"],
        "scores": numbers,
        "cost": {**cost, "model_mb": {path.name: path.stat().st_size / 1e6 for path in map(Path, models)}},
        "models": [str(path) for path in models],
        "backbone": backbone,
        "provenance": provenance,
    }
    partial = folder / "metrics.json.part"
    partial.write_text(json.dumps(_without_nan(record), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(folder / "metrics.json")
    tracking.log(folder, record)
    return compare(record)


def compare(record: dict, expected: pd.DataFrame | None = None) -> pd.DataFrame:
    """Hold a run's scores against the expected results.

    Args:
        record: the content of a ``metrics.json``.
        expected: the table to compare with; the checked-in one by default.

    Returns:
        Index: metric; columns reported, expected, tolerance, got, verdict. The verdict is ``"pass"``, ``"FAIL"``
        (its whole interval more than the tolerance below what is expected), or ``"-"`` where nothing is
        expected: for smoke runs and for combinations of source and weights nobody has measured.
    """
    expected = expected_results() if expected is None else expected
    source, weights = variant(record["provenance"])
    rows = []
    for metric, score in record["scores"].items():
        row = {"metric": metric, "reported": None, "expected": None, "tolerance": None}
        row |= {"got": score["value"], "verdict": "-"}
        wanted = (record["lesson"], metric, source, record["backbone"], weights)
        match = expected[(expected[KEY] == wanted).all(axis=1)] if len(expected) else expected
        if len(match):
            found = match.iloc[0]
            row |= {name: _optional(found[name]) for name in ("reported", "expected", "tolerance")}
            if record["provenance"]["profile"] == "full":
                row["verdict"] = verdict(metric, score, row["expected"], row["tolerance"])
        rows.append(row)
    return pd.DataFrame(rows).set_index("metric")


def verdict(metric: str, score: dict, expected: float, tolerance: float | None) -> str:
    """``"pass"``, ``"FAIL"`` or ``"-"`` (no tolerance known, or a name in ``_equal_time``: the machine's score too).

    The better end of a score's 95 % interval counts, where it has one: single images of a small test set might have
    been decided otherwise. Of a ``_ratio`` or ``_seconds`` less is better, of every other metric more.
    """
    if tolerance is None or math.isnan(tolerance) or metric.endswith("_equal_time"):
        return "-"  # a single seed: nobody knows yet how far runs differ
    less = metric.endswith(("_ratio", "_seconds"))
    end = score.get("low" if less else "high")
    best = score["value"] if end is None else end
    return "pass" if (best - expected if less else expected - best) <= tolerance else "FAIL"


def variant(provenance: dict) -> tuple[str, str]:
    """What results are keyed by beside the lesson: the source variant and the weights."""
    return provenance["source"], provenance["weights"]


def expected_results() -> pd.DataFrame:
    """The checked-in table of expected results; empty, with its columns, where there is none yet."""
    path = paths.results() / "expected.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=EXPECTED_COLUMNS)


def add_runs(records: list[dict], path: Path | None = None) -> pd.DataFrame:
    """Append full runs to the raw rows; a row that is there already (same key, seed and commit) is not added twice.

    Raises:
        ValueError: if a record is of a smoke run, which says nothing about the recipe.
    """
    path = path or paths.results() / "runs.csv"
    rows = []
    for record in records:
        origin = record["provenance"]
        if origin["profile"] != "full":
            raise ValueError(f"{record['lesson']}: expected a full run; got profile {origin['profile']!r}")
        source, weights = variant(origin)
        for metric, score in record["scores"].items():
            rows.append(
                {
                    "lesson": record["lesson"], "metric": metric, "source": source, "backbone": record["backbone"],
                    "weights": weights, "seed": origin["seed"], "value": round(score["value"], 5),
                    "commit": origin["commit"], "data": origin["data"],
                }
            )  # fmt: skip
    table = pd.DataFrame(rows, columns=RUN_COLUMNS)
    if path.exists():
        before = pd.read_csv(path, dtype={"commit": str})  # a hash of digits alone is no number
        table = pd.concat([before, table], ignore_index=True)
    table = table.drop_duplicates(subset=[*KEY, "seed", "commit"], keep="first")
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)
    return table


def summarise_runs(runs: pd.DataFrame, reported: pd.DataFrame) -> pd.DataFrame:
    """The table of expected results: mean, standard deviation and tolerance over the seeds of the raw rows.

    Args:
        runs: columns ``RUN_COLUMNS``; of several runs of one seed the last counts.
        reported: lesson, metric, shown, reported and note: what the report the lesson grew out of printed on real
            data, and how the README calls the metric.
    """
    last = runs.drop_duplicates(subset=[*KEY, "seed"], keep="last")
    table = last.groupby(KEY, sort=True)["value"].agg(["mean", "std", "count"]).reset_index()
    table["expected"] = table["mean"].round(5)
    # Fewer than three seeds say too little about the spread: no tolerance, and the verdict stays open.
    table["deviation"] = table["std"].round(5).where(table["count"] >= 3)
    # A run of all lessons is held to more than a hundred scores, and few seeds do not tell the deviation well: at three
    # deviations several that are as they should be would fail. So the prediction interval that one in a thousand
    # leaves; and half a point, since another processor may decide single test images otherwise.
    count = table["count"].clip(lower=2)
    factor = stats.t.ppf(0.999, count - 1) * np.sqrt(1 + 1 / count)
    table["tolerance"] = (factor * table["std"]).clip(lower=0.005).round(5).where(table["count"] >= 3)
    table["seeds"] = table["count"]
    table = table.merge(reported, on=["lesson", "metric"], how="left")
    table.loc[table["source"] != "real", ["reported", "note"]] = None
    return table[EXPECTED_COLUMNS]


def results_table(expected: pd.DataFrame, reported: pd.DataFrame) -> str:
    """The README's table in Markdown: a row for every metric of `reported`, real and embedded data side by side.

    Where a metric's note begins with "embedded only", real data cannot be scored, and the table does not ask for it.
    """
    lines = ["| lesson | model | report | real data | embedded sample |", "|---|---|---|---|---|"]
    previous = ""
    for wanted in reported.itertuples():
        rows = expected[(expected["lesson"] == wanted.lesson) & (expected["metric"] == wanted.metric)]
        cells = [_measured(rows[rows["source"] == source], wanted.metric) for source in ("real", "sample")]
        if str(wanted.note).startswith("embedded only"):
            cells[0] = "none"
        lesson = f"[{wanted.lesson}](notebooks/{wanted.lesson}.ipynb)" if wanted.lesson != previous else ""
        printed = "" if pd.isna(wanted.reported) else f"{wanted.reported:.1%}"
        lines.append(f"| {lesson} | {wanted.shown} | {printed} | {cells[0]} | {cells[1]} |")
        previous = wanted.lesson
    return "\n".join(lines)


def _measured(rows: pd.DataFrame, metric: str) -> str:
    if rows.empty:
        return "not measured yet"
    row = rows.iloc[0]
    deviation = row["deviation"]
    spread = "" if pd.isna(deviation) else f" ± {shown(metric, deviation, deviation)}"
    return f"{shown(metric, row['expected'], deviation)}{spread} ({row['seeds']})"


def shown(metric: str, value: float, deviation: float = 1.0) -> str:
    """A score as it is written: per cent, or a plain number where it is none; finer where the spread asks for it."""
    if metric.endswith(("_ratio", "_correlation")):
        return f"{value:.2f}"
    return f"{value:.2%}" if deviation < 0.0005 else f"{value:.1%}"


def read_metrics(folder: Path) -> dict | None:
    """A lesson's ``metrics.json``, or None where it has not been written."""
    path = folder / "metrics.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def summary(lessons: list[str]) -> pd.DataFrame:
    """The table at the end of ``make run-all``: a row a lesson, finished or failed.

    Returns:
        Columns lesson, status, source, minutes, peak MB, main score, got, expected.
    """
    rows = []
    for lesson in lessons:
        folder = paths.outputs() / lesson
        record, failure, finished = read_metrics(folder), folder / "failure.json", folder / "run.json"
        row = {"lesson": lesson, "status": "not run"}
        if failure.exists():
            row["status"] = "FAILED"
        elif record:
            comparison = compare(record)
            metric = next(iter(record["scores"]))
            row |= {
                "status": "FELL SHORT" if "FAIL" in set(comparison["verdict"]) else "ok",
                "source": record["provenance"]["source"]
                + ("" if record["provenance"]["profile"] == "full" else " (smoke)"),
                "minutes": f"{record['cost']['minutes']:.1f}",
                "peak MB": f"{record['cost']['peak_memory_mb']:,.0f}",
                "main score": metric.replace("_", " "),
                "got": f"{comparison['got'].iloc[0]:.3f}",
                "expected": _with_tolerance(comparison.iloc[0]),
            }
        elif finished.exists():  # a lesson that computes no scores
            row |= {"status": "ok", "minutes": f"{json.loads(finished.read_text(encoding='utf-8'))['minutes']:.1f}"}
        rows.append(row)
    columns = ["lesson", "status", "source", "minutes", "peak MB", "main score", "got", "expected"]
    return pd.DataFrame(rows, columns=columns).fillna("")


def failures(lessons: list[str]) -> list[dict]:
    """Lesson, cell, error and notebook of every lesson whose last run failed."""
    found = []
    for lesson in lessons:
        path = paths.outputs() / lesson / "failure.json"
        if path.exists():
            found.append(json.loads(path.read_text(encoding="utf-8")))
    return found


def _with_tolerance(row: pd.Series) -> str:
    if row["expected"] is None or pd.isna(row["expected"]):
        return "-"
    return f"{row['expected']:.3f}" + ("" if pd.isna(row["tolerance"]) else f" ± {row['tolerance']:.3f}")


def _optional(value):
    return None if isinstance(value, float) and math.isnan(value) else value


def _without_nan(value):
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return _optional(value)
