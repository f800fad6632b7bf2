"""Metrics files, expected results and the report page."""

import base64
import json
import os
import re

import nbformat
import pandas as pd
import pytest

from dlcourse import __main__, evaluation, paths, report_page, reports

LESSON = "02_digits_cnn"
COST = {"minutes": 1.25, "peak_memory_mb": 1234.5, "cores": 2}


def provenance(**changes):
    return {
        "lesson": LESSON,
        "source": "sample",
        "data": "scikit-learn's 8x8 digits",
        "weights": "trained here",
        "profile": "full",
        "seed": 0,
        "precision": "float32",
        "device": "CPU (2 cores)",
        "versions": {"keras": "3.15.1"},
        "commit": "abc1234567",
    } | changes


def record(value=0.9, metric="test_accuracy", **changes):
    return {
        "lesson": LESSON,
        "scores": {metric: {"value": value}},
        "cost": COST,
        "models": [],
        "backbone": "-",
        "provenance": provenance(**changes),
    }


def expected(metric="test_accuracy", **changes):
    row = {
        "lesson": LESSON, "metric": metric, "source": "sample", "backbone": "-", "weights": "trained here",
        "reported": 0.98, "expected": 0.95, "deviation": 0.003, "tolerance": 0.01, "seeds": 5, "note": "",
    }  # fmt: skip
    return pd.DataFrame([row | changes], columns=reports.EXPECTED_COLUMNS)


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    """Folders of outputs and of result tables of this test's own, the latter still empty."""
    monkeypatch.setenv("DLCOURSE_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setattr(reports.paths, "results", lambda: tmp_path / "results")
    (tmp_path / "outputs" / LESSON).mkdir(parents=True)
    return tmp_path / "outputs"


def finish(outputs, content, lesson=LESSON):
    folder = outputs / lesson
    folder.mkdir(exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(content), encoding="utf-8")


def fail(outputs, error, lesson=LESSON):
    (outputs / lesson / "failure.json").write_text(
        json.dumps({"lesson": lesson, "cell": 7, "error": error, "notebook": "x.ipynb"}), encoding="utf-8"
    )


# ---- metrics.json ----


def test_metrics_hold_scores_cost_and_origin(outputs):
    score = evaluation.Score(0.9, 0.85, 0.95, 100)
    reports.write_metrics(
        outputs / LESSON,
        {"test_accuracy": score, "seconds_ratio": 0.5},
        provenance=provenance(),
        cost=COST,
        backbone="stand-in",
    )
    written = reports.read_metrics(outputs / LESSON)
    assert written["scores"] == {
        "test_accuracy": {"value": 0.9, "low": 0.85, "high": 0.95, "count": 100},
        "seconds_ratio": {"value": 0.5},
    }
    assert written["provenance"] == provenance()
    assert written["backbone"] == "stand-in"
    assert written["cost"]["minutes"] == 1.25


def test_metrics_name_the_models_and_their_sizes(outputs, tmp_path):
    model = tmp_path / "digit_recognizer_cnn.h5"
    model.write_bytes(b"x" * 2_000_000)
    reports.write_metrics(outputs / LESSON, {"accuracy": 0.9}, provenance=provenance(), cost=COST, models=(model,))
    written = reports.read_metrics(outputs / LESSON)
    assert written["models"] == [str(model)]
    assert written["cost"]["model_mb"] == {"digit_recognizer_cnn.h5": 2.0}


def test_an_interval_that_is_not_known_is_null_in_the_file(outputs):
    one_seed = evaluation.over_seeds([0.9])
    reports.write_metrics(outputs / LESSON, {"accuracy": one_seed}, provenance=provenance(), cost=COST)
    text = (outputs / LESSON / "metrics.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    assert json.loads(text)["scores"]["accuracy"]["low"] is None


def test_write_metrics_leaves_no_partial_file_and_returns_the_comparison(outputs):
    table = reports.write_metrics(outputs / LESSON, {"accuracy": 0.9}, provenance=provenance(), cost=COST)
    assert [path.name for path in (outputs / LESSON).iterdir()] == ["metrics.json"]
    assert table.loc["accuracy", "got"] == 0.9


def test_a_lesson_that_never_ran_has_no_metrics(outputs):
    assert reports.read_metrics(outputs / "01_never") is None


# ---- expected results ----


@pytest.mark.parametrize(
    ("got", "answer"), [(0.95, "pass"), (0.9401, "pass"), (0.9399, "FAIL"), (0.99, "pass"), (0.1, "FAIL")]
)
def test_a_score_may_fall_below_by_the_tolerance_and_exceed_freely(got, answer):
    assert reports.compare(record(got), expected())["verdict"].item() == answer


@pytest.mark.parametrize("metric", ["time_ratio", "epoch_seconds"])
@pytest.mark.parametrize(("got", "answer"), [(0.5, "pass"), (0.955, "pass"), (0.97, "FAIL")])
def test_of_ratios_and_seconds_less_is_better(metric, got, answer):
    assert reports.compare(record(got, metric), expected(metric))["verdict"].item() == answer


@pytest.mark.parametrize(("high", "answer"), [(0.9401, "pass"), (0.9399, "FAIL"), (None, "FAIL")])
def test_the_better_end_of_an_interval_counts(high, answer):
    of = record(0.92)
    of["scores"]["test_accuracy"] |= {"low": 0.9, "high": high}
    assert reports.compare(of, expected())["verdict"].item() == answer


@pytest.mark.parametrize(("low", "answer"), [(0.955, "pass"), (0.97, "FAIL"), (None, "FAIL")])
def test_of_an_interval_of_seconds_the_lower_end_is_the_better(low, answer):
    of = record(0.98, "epoch_seconds")
    of["scores"]["epoch_seconds"] |= {"low": low, "high": 0.99}
    assert reports.compare(of, expected("epoch_seconds"))["verdict"].item() == answer


def test_a_smoke_run_is_never_judged():
    table = reports.compare(record(0.1, profile="smoke"), expected())
    assert table["verdict"].item() == "-"
    assert table["expected"].item() == 0.95


def test_a_score_after_equal_time_is_the_machines_too_and_gets_no_verdict():
    metric = "test_auroc_tuned_equal_time"
    assert reports.compare(record(0.1, metric), expected(metric))["verdict"].item() == "-"


def test_a_single_seed_gives_no_tolerance_and_no_verdict():
    assert reports.compare(record(0.1), expected(tolerance=None))["verdict"].item() == "-"


@pytest.mark.parametrize(
    "changes",
    [{"source": "real"}, {"weights": "imagenet 0a1b2c3d"}, {"backbone": "VGG16"}, {"lesson": "03_sentiment_lstm"}],
)
def test_a_variant_nobody_measured_is_not_judged(changes):
    table = reports.compare(record(0.1), expected(**changes))
    assert table["verdict"].item() == "-"
    assert table["expected"].item() is None


def test_the_row_of_the_own_variant_is_chosen_among_several():
    table = pd.concat([expected(source="real", expected=0.99), expected(), expected(backbone="VGG16", expected=0.5)])
    assert reports.compare(record(0.95), table)["expected"].item() == 0.95


def test_without_a_table_everything_is_open(outputs):
    assert reports.expected_results().columns.tolist() == reports.EXPECTED_COLUMNS
    assert reports.compare(record(0.9))["verdict"].item() == "-"


def test_the_checked_in_table_is_read_where_there_is_one(outputs, tmp_path):
    (tmp_path / "results").mkdir()
    expected().to_csv(tmp_path / "results" / "expected.csv", index=False)
    assert reports.compare(record(0.5))["verdict"].item() == "FAIL"


# ---- raw rows ----


def test_runs_are_added_as_rows(tmp_path):
    path = tmp_path / "new folder" / "runs.csv"
    reports.add_runs([record(0.912345678)], path)
    (row,) = pd.read_csv(path).to_dict("records")
    assert row == {
        "lesson": LESSON, "metric": "test_accuracy", "source": "sample", "backbone": "-", "weights": "trained here",
        "seed": 0, "value": 0.91235, "commit": "abc1234567", "data": "scikit-learn's 8x8 digits",
    }  # fmt: skip


def test_adding_a_run_twice_changes_nothing(tmp_path):
    path = tmp_path / "runs.csv"
    reports.add_runs([record(0.9), record(0.91, seed=1)], path)
    before = path.read_bytes()
    reports.add_runs([record(0.9)], path)
    assert path.read_bytes() == before


def test_a_commit_of_digits_alone_stays_a_hash(tmp_path):
    path = tmp_path / "runs.csv"
    for _ in range(2):
        reports.add_runs([record(commit="0012345678")], path)
    assert pd.read_csv(path, dtype=str)["commit"].tolist() == ["0012345678"]


@pytest.mark.parametrize("runs", [[], [record(profile="smoke")]], ids=["none", "smoke"])
def test_only_full_runs_are_recorded(outputs, capsys, runs):
    for run in runs:
        finish(outputs, run)
    assert __main__.main(["record", LESSON]) == 1
    assert capsys.readouterr().err == f"no full run of {LESSON} in {outputs}: `make {LESSON}` first\n"
    assert not reports.paths.results().exists()


def test_another_seed_and_another_commit_are_new_rows(tmp_path):
    path = tmp_path / "runs.csv"
    reports.add_runs([record(0.9)], path)
    reports.add_runs([record(0.91, seed=1)], path)
    assert len(reports.add_runs([record(0.92, commit="def7654321")], path)) == 3


def test_a_smoke_run_is_refused_and_nothing_is_written(tmp_path):
    path = tmp_path / "runs.csv"
    with pytest.raises(ValueError, match="02_digits_cnn: expected a full run; got profile 'smoke'"):
        reports.add_runs([record(0.9), record(0.5, profile="smoke")], path)
    assert not path.exists()


REPORTED = pd.DataFrame(
    [{"lesson": LESSON, "metric": "test_accuracy", "shown": "its CNN", "reported": 0.98, "note": "its table 1"}]
)


def runs(*values):
    rows = [
        {"lesson": LESSON, "metric": "test_accuracy", "source": "sample", "backbone": "-", "weights": "trained here",
         "seed": seed, "value": value, "commit": f"commit{number}", "data": "digits"}
        for number, (seed, value) in enumerate(values)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=reports.RUN_COLUMNS)


def test_expected_is_the_mean_and_the_tolerance_what_one_new_score_in_a_thousand_misses():
    table = reports.summarise_runs(runs((0, 0.90), (1, 0.92), (2, 0.94)), REPORTED)
    (row,) = table.to_dict("records")
    assert row["expected"] == pytest.approx(0.92)
    assert row["deviation"] == pytest.approx(0.02)
    assert row["tolerance"] == pytest.approx(22.327 * 0.02 * (4 / 3) ** 0.5, rel=1e-3)  # t with two degrees of freedom
    assert row["seeds"] == 3


def test_of_the_recorded_scores_hardly_one_in_a_hundred_misses_what_its_other_seeds_expect():
    table = pd.read_csv(paths.results() / "runs.csv").drop_duplicates([*reports.KEY, "seed"], keep="last")
    verdicts = []
    for seed in table["seed"].unique():
        others = reports.summarise_runs(table[table["seed"] != seed], REPORTED).dropna(subset=["tolerance"])
        for row in table[table["seed"] == seed].merge(others, on=reports.KEY).itertuples():
            verdicts.append(reports.verdict(row.metric, {"value": row.value}, row.expected, row.tolerance))
    judged = [verdict for verdict in verdicts if verdict != "-"]
    assert len(judged) > 1000
    assert judged.count("FAIL") < len(judged) / 100, judged.count("FAIL")


def test_equal_scores_of_all_seeds_still_leave_half_a_point():
    (row,) = reports.summarise_runs(runs(*((seed, 0.9) for seed in range(5))), REPORTED).to_dict("records")
    assert (row["deviation"], row["tolerance"]) == (0, 0.005)


def test_two_seeds_give_no_tolerance():
    (row,) = reports.summarise_runs(runs((0, 0.90), (1, 0.92)), REPORTED).to_dict("records")
    assert pd.isna(row["tolerance"])


def test_what_the_report_printed_stands_beside_real_data_only():
    both = pd.concat([runs((0, 0.9)), runs((0, 0.5)).assign(source="real")])
    table = reports.summarise_runs(both, REPORTED).set_index("source")
    assert (table.loc["real", "reported"], table.loc["real", "note"]) == (0.98, "its table 1")
    assert pd.isna(table.loc["sample", "reported"])


def test_of_several_runs_of_one_seed_the_last_counts():
    (row,) = reports.summarise_runs(runs((0, 0.5), (1, 0.92), (0, 0.90)), REPORTED).to_dict("records")
    assert (row["expected"], row["seeds"]) == (0.91, 2)


def test_one_seed_is_expected_without_a_tolerance_and_never_judged(tmp_path):
    table = reports.summarise_runs(runs((0, 0.9)), REPORTED)
    table.to_csv(tmp_path / "expected.csv", index=False)
    again = pd.read_csv(tmp_path / "expected.csv")
    assert again["expected"].item() == 0.9
    assert reports.compare(record(0.1), again)["verdict"].item() == "-"


def test_a_metric_that_no_report_prints_is_kept():
    nothing = pd.DataFrame(columns=["lesson", "metric", "shown", "reported", "note"])
    assert reports.summarise_runs(runs((0, 0.9), (1, 0.9)), nothing)["reported"].isna().all()


def test_variants_are_summarised_apart():
    both = pd.concat([runs((0, 0.9)), runs((0, 0.5)).assign(source="real")])
    assert reports.summarise_runs(both, REPORTED)["expected"].tolist() == [0.5, 0.9]


def test_the_readmes_table_shows_real_and_embedded_data_side_by_side():
    both = pd.concat([runs((0, 0.90), (1, 0.92), (2, 0.94)), runs((0, 0.5)).assign(source="real")])
    *_, row = reports.results_table(reports.summarise_runs(both, REPORTED), REPORTED).splitlines()
    link = f"[{LESSON}](notebooks/{LESSON}.ipynb)"
    assert row == f"| {link} | its CNN | 98.0% | 50.0% (1) | 92.0% ± 2.0% (3) |"


def test_the_readmes_table_says_what_was_not_measured():
    *_, row = reports.results_table(expected()[:0], REPORTED).splitlines()
    assert row.endswith("| 98.0% | not measured yet | not measured yet |")


def test_the_readmes_table_does_not_ask_for_what_real_data_cannot_tell():
    only = REPORTED.assign(note="embedded only: nobody has outlined the real ones")
    *_, row = reports.results_table(reports.summarise_runs(runs((0, 0.9)), only), only).splitlines()
    assert row.endswith("| 98.0% | none | 90.0% (1) |")


def test_a_small_spread_is_not_rounded_away():
    narrow = runs((0, 0.9953), (1, 0.9954), (2, 0.9957))
    *_, row = reports.results_table(reports.summarise_runs(narrow, REPORTED), REPORTED).splitlines()
    assert "99.55% ± 0.02% (3)" in row


# ---- the table at the end of a run ----


def test_the_summary_shows_a_finished_lesson(outputs):
    finish(outputs, record(0.9))
    (row,) = reports.summary([LESSON]).to_dict("records")
    assert row == {
        "lesson": LESSON, "status": "ok", "source": "sample", "minutes": "1.2", "peak MB": "1,234",
        "main score": "test accuracy", "got": "0.900", "expected": "-",
    }  # fmt: skip


def test_the_summary_says_what_was_expected_and_who_fell_short(outputs, tmp_path):
    (tmp_path / "results").mkdir()
    expected().to_csv(tmp_path / "results" / "expected.csv", index=False)
    finish(outputs, record(0.5))
    (row,) = reports.summary([LESSON]).to_dict("records")
    assert (row["status"], row["expected"]) == ("FELL SHORT", "0.950 ± 0.010")


def test_a_smoke_run_is_marked_in_the_summary(outputs):
    finish(outputs, record(0.9, profile="smoke"))
    assert reports.summary([LESSON])["source"].item() == "sample (smoke)"


def test_a_failed_lesson_and_one_not_run_are_told_apart(outputs):
    finish(outputs, record(0.9))
    fail(outputs, "ValueError: no")
    assert reports.summary([LESSON, "03_x"])["status"].tolist() == ["FAILED", "not run"]
    assert [failure["cell"] for failure in reports.failures([LESSON, "03_x"])] == [7]


def test_a_finished_lesson_without_scores_is_ok(outputs):
    (outputs / LESSON / "run.json").write_text('{"minutes": 0.5}', encoding="utf-8")
    (row,) = reports.summary([LESSON]).to_dict("records")
    assert (row["status"], row["minutes"], row["main score"]) == ("ok", "0.5", "")


# ---- the page ----


def page(*lessons):
    return report_page.write(list(lessons or [LESSON])).read_text(encoding="utf-8")


def test_the_page_fetches_nothing(outputs):
    finish(outputs, record(0.9))
    (outputs / LESSON / "training_curves.png").write_bytes(b"picture")
    text = page()
    assert not re.search(r"https?:|//|<script|<link|@import|url\(", text.replace(picture(b"picture"), ""))


def picture(content):
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def test_the_page_embeds_every_figure_with_an_alternative_text(outputs):
    finish(outputs, record(0.9))
    for name in ("confusion_matrix", "training_curves"):
        (outputs / LESSON / f"{name}.png").write_bytes(name.encode())
    text = page()
    for name in ("confusion_matrix", "training_curves"):
        assert f"src='{picture(name.encode())}'" in text
        assert f"alt='{name.replace('_', ' ')} of {LESSON}'" in text


def test_the_page_shows_scores_facts_and_cost(outputs, tmp_path):
    (tmp_path / "results").mkdir()
    expected().to_csv(tmp_path / "results" / "expected.csv", index=False)
    finish(outputs, record(0.96123))
    text = page()
    assert [cell in text for cell in ("test accuracy", "98.0%", "95.0% ± 1.0%", "96.1%<")] == [True] * 4
    assert "<td class='good'>pass</td>" in text
    assert "sample data (scikit-learn&#x27;s 8x8 digits) · trained here · full · seed 0" in text
    assert "1.2 min · 1,234 MB" in text


def test_a_score_that_fell_short_stands_out(outputs, tmp_path):
    (tmp_path / "results").mkdir()
    expected().to_csv(tmp_path / "results" / "expected.csv", index=False)
    finish(outputs, record(0.5))
    assert "<td class='bad'>FAIL</td>" in page()


def test_errors_and_descriptions_are_escaped(outputs):
    fail(outputs, "ValueError: <b>shape</b> & 'more'")
    finish(outputs, record(0.9, metric="<i>score", data="a <b> & c"), lesson="03_x")
    text = page(LESSON, "03_x")
    assert "Failed in cell 7: ValueError: &lt;b&gt;shape&lt;/b&gt; &amp;" in text
    assert "a &lt;b&gt; &amp; c" in text
    assert "<b>" not in text
    assert "<i>" not in text


def test_the_page_lists_lessons_that_have_not_run(outputs):
    assert "Not run yet: <code>make 02_digits_cnn</code>" in page()


def test_a_lesson_without_scores_shows_its_figures(outputs):
    (outputs / LESSON / "run.json").write_text('{"minutes": 0.5}', encoding="utf-8")
    (outputs / LESSON / "convolution.png").write_bytes(b"x")
    text = page()
    assert "Not run yet" not in text
    assert picture(b"x") in text


def test_the_page_links_the_files_that_are_there(outputs):
    finish(outputs, record(0.9))
    for ending in ("ipynb", "html"):
        assert f"href='{LESSON}/{LESSON}.{ending}'" not in page()
        (outputs / LESSON / f"{LESSON}.{ending}").write_text("x", encoding="utf-8")
        assert f"href='{LESSON}/{LESSON}.{ending}'" in page()


def test_executed_lessons_get_a_web_page_of_their_own_once(outputs):
    finish(outputs, record(0.9))
    notebook = outputs / LESSON / f"{LESSON}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Digits")]), notebook)
    assert f"href='{LESSON}/{LESSON}.html'" in page()
    own = notebook.with_suffix(".html")
    assert "Digits" in own.read_text(encoding="utf-8")
    before = own.stat().st_mtime_ns
    page()
    assert own.stat().st_mtime_ns == before
    notebook.write_text("{", encoding="utf-8")  # half a file
    os.utime(notebook, (before / 1e9 + 10,) * 2)
    assert f"href='{LESSON}/{LESSON}.html'" in page()


def test_the_page_links_a_lessons_models_and_their_cards(outputs):
    model = outputs.parent / "my models" / "cnn.h5"
    model.parent.mkdir()
    model.write_bytes(b"x")
    model.with_suffix(".json").write_text("{}", encoding="utf-8")
    finish(outputs, record(0.9) | {"models": [str(model), "gone.h5"]})
    text = page()
    assert "href='../my%20models/cnn.h5'" in text
    assert "href='../my%20models/cnn.json'" in text
    assert "gone" not in text


def test_the_page_begins_with_a_table_of_the_lessons(outputs):
    finish(outputs, record(0.9))
    contents = page(LESSON, "03_x").partition("<nav")[2].partition("</nav>")[0]
    assert f"href='#{LESSON}'" in contents
    assert "<td class='good'>ok</td>" in contents
    assert "<td>not run</td>" in contents


def test_the_figure_that_tells_most_comes_first(outputs):
    finish(outputs, record(0.9))
    for name in ("digits", "scores", "zoo"):
        (outputs / LESSON / f"{name}.png").write_bytes(b"x")
    assert re.findall(r"alt='(\w+) of", page()) == ["scores", "digits", "zoo"]


def test_the_table_in_the_readme_is_that_of_the_checked_in_results():
    readme = (paths.ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.partition(reports.TABLE_STARTS)[2].partition(reports.TABLE_ENDS)[0].strip()
    runs, reported = (pd.read_csv(paths.results() / name) for name in ("runs.csv", "reported.csv"))
    expected = reports.summarise_runs(runs, reported)
    assert table == reports.results_table(expected, reported)
    assert expected.to_csv(index=False) == (paths.results() / "expected.csv").read_text(encoding="utf-8")
