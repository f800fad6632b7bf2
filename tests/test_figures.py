"""Figures by their artists: what was drawn, with which words, at which places."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dlcourse import evaluation, figures

PROVENANCE = {
    "lesson": "02_digits_cnn",
    "source": "sample",
    "data": "scikit-learn's 8x8 digits",
    "weights": "trained here",
    "profile": "full",
    "seed": 3,
    "precision": "float32",
    "versions": {"keras": "3.15.1"},
}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def history():
    return pd.DataFrame(
        {
            "run": ["report", "report", "beyond", "beyond"],
            "epoch": [1, 2, 1, 2],
            "seconds": [5.0, 10.0, 2.0, 4.0],
            "loss": [0.5, 0.25, 0.4, 0.1],
            "val_loss": [0.6, 0.35, 0.5, 0.2],
            "accuracy": [0.8, 0.9, 0.85, 0.95],
        }
    )


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_learning_curves_have_a_panel_for_each_metric():
    axes = figures.learning_curves(history())
    assert [ax.get_title() for ax in axes] == ["Loss", "Accuracy"]


def test_learning_curves_draw_training_and_validation_of_each_run():
    ax, _ = figures.learning_curves(history())
    drawn = {line.get_label(): line.get_ydata().tolist() for line in ax.lines}
    assert drawn == {
        "report, training": [0.5, 0.25],
        "report, validation": [0.6, 0.35],
        "beyond, training": [0.4, 0.1],
        "beyond, validation": [0.5, 0.2],
    }


def test_runs_differ_in_marker_and_not_in_colour_alone():
    ax, _ = figures.learning_curves(history())
    lines = {line.get_label(): line for line in ax.lines}
    report, beyond = lines["report, validation"], lines["beyond, validation"]
    assert report.get_color() != beyond.get_color()
    assert report.get_marker() != beyond.get_marker()
    assert lines["report, training"].get_linestyle() != report.get_linestyle()


def test_a_metric_without_validation_gets_one_curve_a_run():
    (ax,) = figures.learning_curves(history(), metrics=["accuracy"])
    assert len(ax.lines) == 2


def test_learning_curves_against_seconds():
    (ax,) = figures.learning_curves(history(), metrics=["loss"], against="seconds")
    assert ax.get_xlabel() == "seconds"
    assert ax.lines[0].get_xdata().tolist() == [5.0, 10.0]


def test_learning_curves_use_the_axes_they_are_given():
    _, given = plt.subplots(1, 2)
    axes = figures.learning_curves(history(), axes=given)
    assert list(axes) == list(given)
    assert len(plt.get_fignums()) == 1


def counts():
    return evaluation.confusion(np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1]), ["cat", "dog", "bird"])


def test_a_confusion_matrix_shows_counts_and_rates_and_leaves_zeros_empty():
    ax = figures.confusion_matrix(counts())
    assert words(ax) == ["1\n33%", "2\n67%", "", "", "1\n100%", "", "", "", ""]


def test_a_confusion_matrix_names_axes_and_classes():
    ax = figures.confusion_matrix(counts())
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["cat", "dog", "bird"]


def test_the_shade_of_a_confusion_matrix_follows_the_rate():
    ax = figures.confusion_matrix(counts())
    assert np.ravel(ax.collections[0].get_array()).tolist() == pytest.approx([1 / 3, 2 / 3, 0, 0, 1, 0, 0, 0, 0])


def test_an_image_grid_shows_every_image_with_its_title_and_hides_empty_places():
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    axes = figures.image_grid(images, list("abcde"), columns=3)
    assert len(axes) == 6
    assert [ax.get_title() for ax in axes] == ["a", "b", "c", "d", "e", ""]
    np.testing.assert_array_equal(axes[4].images[0].get_array(), images[4, :, :, 0])
    assert not axes[5].images
    assert not any(ax.axison for ax in axes)


def test_an_image_grid_keeps_one_brightness_for_all_images():
    dark = figures.image_grid(np.full((2, 4, 4), 10, np.uint8))[0].images[0]
    assert dark.get_clim() == (0, 255)
    floats = figures.image_grid(np.full((2, 4, 4, 1), 0.1))[0].images[0]
    assert floats.get_clim() == (0, 1)


def test_an_image_grid_takes_colour():
    axes = figures.image_grid(np.zeros((1, 4, 4, 3), np.uint8), columns=1)
    assert axes[0].images[0].get_array().shape == (4, 4, 3)


def test_predictions_mark_a_mistake_and_name_the_truth():
    axes = figures.predictions(
        np.zeros((2, 4, 4), np.uint8), np.array([0, 0]), np.array([[0.9, 0.1], [0.25, 0.75]]), ["cat", "dog"]
    )
    assert axes[0].get_title() == "✓ cat 90%"
    assert axes[1].get_title() == "✗ dog 75%\nis cat"
    assert axes[0].title.get_color() != axes[1].title.get_color()


LABELS = np.array([0, 0, 1, 1])
PROBABILITIES = np.array([0.1, 0.6, 0.55, 0.9])  # one of the four pairs of a negative and a positive is in wrong order


@pytest.mark.parametrize(
    ("threshold", "shown"), [(0.5, "0.5"), (0.01268, "0.0127"), (0.99987, "0.99987"), (8.5, "8.5")]
)
def test_a_roc_curve_names_its_area_and_its_threshold(threshold, shown):
    ax = figures.roc_curve(LABELS, PROBABILITIES, threshold=threshold, label="CNN")
    assert ax.get_legend_handles_labels()[1] == [f"CNN: area 0.750, threshold {shown}"]


def test_a_roc_curve_marks_the_operating_point():
    ax = figures.roc_curve(LABELS, PROBABILITIES, threshold=0.58)
    point = ax.lines[1]
    # 1 of 2 negatives and 1 of 2 positives lie above 0.58
    assert (point.get_xdata()[0], point.get_ydata()[0]) == (0.5, 0.5)


def test_the_threshold_itself_counts_as_class_1():
    ax = figures.roc_curve(LABELS, PROBABILITIES, threshold=0.55)
    assert (ax.lines[1].get_xdata()[0], ax.lines[1].get_ydata()[0]) == (0.5, 1.0)


def test_two_models_share_a_roc_plot():
    ax = figures.roc_curve(LABELS, PROBABILITIES, label="first")
    assert figures.roc_curve(LABELS, PROBABILITIES[::-1], label="second", ax=ax) is ax
    assert [text.split(":")[0] for text in ax.get_legend_handles_labels()[1]] == ["first", "second"]


def test_a_precision_recall_curve_marks_the_operating_point_and_the_base_rate():
    ax = figures.precision_recall_curve(LABELS, PROBABILITIES, threshold=0.55)
    curve, point, base_rate = ax.lines
    # average precision: 1/2 of the positives at precision 1, then 1/2 at 2/3
    assert curve.get_label() == "model: average precision 0.833"
    assert (point.get_xdata()[0], point.get_ydata()[0]) == pytest.approx((1.0, 2 / 3))
    assert set(base_rate.get_ydata()) == {0.5}


def test_calibration_compares_what_is_said_with_what_is_true():
    ax = figures.calibration(np.array([0, 0, 0, 1, 1, 1, 1, 0]), np.repeat([0.2, 0.7], 4), bins=2, label="CNN")
    curve = ax.containers[0].lines[0]
    assert np.allclose(curve.get_xydata(), [[0.2, 0.25], [0.7, 0.75]])
    assert ax.get_legend_handles_labels()[1] == ["CNN: Brier 0.190"]


def test_two_models_share_a_calibration_plot():
    ax = figures.calibration(LABELS, PROBABILITIES, bins=2)
    assert len(figures.calibration(LABELS, PROBABILITIES, bins=2, ax=ax).containers) == 2


def test_a_precision_recall_curve_without_a_positive_answer_marks_no_point(recwarn):
    ax = figures.precision_recall_curve(LABELS, PROBABILITIES, threshold=0.95)
    assert not recwarn.list
    assert len(ax.lines) == 2  # the curve and the base rate


def test_score_intervals_draw_a_point_with_its_ends():
    scores = pd.DataFrame({"value": [0.8, 0.9], "low": [0.7, 0.85], "high": [0.85, 0.95]}, index=["linear", "CNN"])
    ax = figures.score_intervals(scores, reference=0.88)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["linear", "CNN"]
    (points,) = ax.containers
    assert points[0].get_xdata().tolist() == [0.8, 0.9]
    assert np.array(points[2][0].get_segments())[:, :, 0] == pytest.approx(np.array([[0.7, 0.85], [0.85, 0.95]]))
    assert ax.get_legend_handles_labels()[1][0] == "the report: 88.0%"


def test_a_saved_figure_says_that_its_data_is_embedded(tmp_path):
    ax = figures.confusion_matrix(counts())
    figures.save(ax, tmp_path / "confusion_matrix.png", PROVENANCE)
    shown = ax.figure.get_supxlabel().replace("\n", " ")
    assert shown.startswith("EMBEDDED SAMPLE DATA: scikit-learn's 8x8 digits")
    for fact in ("trained here", "full", "seed 3", "float32", "Keras 3.15.1"):
        assert fact in shown


@pytest.mark.parametrize("width", [2.5, 4.2, 9])
def test_the_small_print_is_not_cut_off(tmp_path, width):
    figure = plt.figure(figsize=(width, 4))
    figures.save(figure, tmp_path / "a.png", PROVENANCE | {"weights": "STAND-IN, PRETRAINED ON TEXTURED SHAPES"})
    (text,) = (text for text in figure.texts if text.get_text().startswith("EMBEDDED"))
    assert text.get_window_extent().x1 <= figure.bbox.x1


def test_real_data_is_called_real():
    assert figures.caption(PROVENANCE | {"source": "real", "data": "MNIST"}).startswith("real data: MNIST")
    assert figures.caption(PROVENANCE | {"source": "none", "data": "a drawing"}).startswith("a drawing ·")


def test_the_png_holds_the_whole_provenance(tmp_path):
    path = figures.save(figures.learning_curves(history()), tmp_path / "training_curves.png", PROVENANCE)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert json.loads(picture.text["Description"]) == PROVENANCE


def test_save_takes_a_figure_an_axes_or_an_array_of_axes(tmp_path):
    figure, axes = plt.subplots(1, 2)
    for name, drawn in (("figure", figure), ("axes", axes[0]), ("array", axes)):
        assert figures.save(drawn, tmp_path / f"{name}.png", PROVENANCE).stat().st_size > 1000


def test_save_leaves_nothing_else_behind(tmp_path):
    figures.save(plt.figure(), tmp_path / "a.png", PROVENANCE)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
