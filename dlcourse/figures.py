"""Arrays in, Axes out, in one look for the whole course: legible in print, safe for colour-blind readers.

Every function takes ``ax=None`` (or ``axes=None``), draws, returns what it drew on and never shows. Importing the
module sets the look. Colours are those of Okabe and Ito (2008), and never the only sign that tells two things apart.
"""

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from scipy import stats
from sklearn import metrics

BLUE, ORANGE, GREEN, PURPLE, YELLOW, SKY, BLACK = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222",
)  # fmt: skip
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, YELLOW, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

sns.set_theme(
    style="whitegrid",
    palette=COLOURS,
    rc={
        "figure.dpi": 110,
        "savefig.dpi": 160,
        "savefig.bbox": "tight",
        "font.size": 10,
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.labelsize": 10,
        "legend.fontsize": 9,
        "grid.color": "#e4e4e4",
        "axes.edgecolor": "#888888",
        "lines.linewidth": 1.8,
        "image.cmap": "gray",
        "figure.constrained_layout.use": True,
    },
)


def learning_curves(
    history: pd.DataFrame, *, metrics: Sequence[str] = ("loss", "accuracy"), against: str = "epoch", axes=None
):
    """Training (dashed) and validation (solid) curves, one panel a metric and one colour a run.

    Args:
        history: ``training.EpochLog.frame`` of one run or several: run, epoch, seconds, metrics and ``val_*``.
        metrics: which metrics get a panel.
        against: ``"epoch"`` or ``"seconds"``.
        axes: an array of as many Axes as metrics, or None.

    Returns:
        The array of Axes.
    """
    if axes is None:
        _, axes = plt.subplots(1, len(metrics), figsize=(max(7, 4.6 * len(metrics)), 3.4), squeeze=False)
    axes = np.ravel(axes)
    for ax, metric in zip(axes, metrics, strict=True):
        for number, (run, rows) in enumerate(history.groupby("run", sort=False)):
            look = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)], "markersize": 4}
            look["markevery"] = max(1, len(rows) // 25)  # of hundreds of epochs, all marks would be a smear
            ax.plot(rows[against], rows[metric], linestyle="--", alpha=0.6, label=f"{run}, training", **look)
            if f"val_{metric}" in rows:
                ax.plot(rows[against], rows[f"val_{metric}"], label=f"{run}, validation", **look)
        ax.set(xlabel=against, ylabel=metric, title=metric.capitalize())
        if against == "epoch":
            ax.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
    axes[-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)  # beside, where it covers no curve
    return axes


def confusion_matrix(counts: pd.DataFrame, *, ax=None):
    """Counts with the rate within the true class beneath; the shade follows the rate.

    Args:
        counts: from ``evaluation.confusion``: true classes in rows, predicted ones in columns.
        ax: where to draw, or None.
    """
    size = len(counts)
    if ax is None:
        side = max(3.6, 0.62 * size + 1.6)
        _, ax = plt.subplots(figsize=(side + 0.6, side))
    totals = counts.to_numpy().sum(axis=1, keepdims=True)
    rates = counts.to_numpy() / np.maximum(totals, 1)
    words = np.array(
        [
            [f"{count:,}\n{rate:.0%}" if count else "" for count, rate in zip(*rows, strict=True)]
            for rows in zip(counts.to_numpy(), rates, strict=True)
        ]
    )
    sns.heatmap(
        rates, annot=words, fmt="", cmap="Blues", vmin=0, vmax=1, ax=ax, square=True, linewidths=0.5,
        annot_kws={"size": 9 if size < 8 else 7}, cbar_kws={"label": "rate within the true class", "shrink": 0.8},
        xticklabels=counts.columns, yticklabels=counts.index,
    )  # fmt: skip
    ax.tick_params(axis="y", rotation=0)
    ax.tick_params(axis="x", rotation=45 if max(map(len, map(str, counts.columns))) > 3 else 0)
    ax.set(xlabel="predicted", ylabel="true", title="Confusion matrix")
    return ax


def image_grid(images: np.ndarray, titles: Sequence[str] | None = None, *, columns: int = 6, colours=None, axes=None):
    """Images in a grid with a title each.

    Args:
        images: (n, height, width), (n, height, width, 1) or (n, height, width, 3); uint8, or floats in [0, 1].
        titles: one for each image.
        columns: images in a row.
        colours: a colour for each title.
        axes: an array of at least n Axes, or None.

    Returns:
        The array of Axes.
    """
    rows = -(-len(images) // columns)
    if axes is None:
        _, axes = plt.subplots(
            rows, columns, figsize=(1.45 * columns, (1.5 if titles is None else 1.8) * rows), squeeze=False
        )
    axes = np.ravel(axes)
    for ax in axes:
        ax.axis("off")
    for number, image in enumerate(images):
        image = np.squeeze(image)
        ax = axes[number]
        ax.imshow(image, vmin=0, vmax=255 if image.dtype == np.uint8 else 1, interpolation="nearest")
        if titles is not None:
            ax.set_title(
                titles[number], fontsize=8, fontweight="normal", color=BLACK if colours is None else colours[number]
            )
    return axes


def predictions(
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str],
    *,
    columns: int = 6,
    axes=None,
):
    """Images with what the model says and how sure it is; mistakes are orange, marked ✗, and name the truth.

    Args:
        images: as for :func:`image_grid`.
        labels: integers, (n,).
        probabilities: (n, classes).
        classes: their names.
    """
    predicted = probabilities.argmax(axis=1)
    titles, colours = [], []
    for label, guess, row in zip(labels, predicted, probabilities, strict=True):
        right = guess == label
        says = f"{classes[guess]} {row[guess]:.0%}"
        titles.append(f"✓ {says}" if right else f"✗ {says}\nis {classes[label]}")
        colours.append(BLACK if right else ORANGE)
    return image_grid(images, titles, columns=columns, colours=colours, axes=axes)


def roc_curve(labels: np.ndarray, probabilities: np.ndarray, *, threshold: float = 0.5, label: str = "model", ax=None):
    """ROC curve of class 1 with its area and the operating point at `threshold`.

    Args:
        labels: 0 or 1, (n,).
        probabilities: of class 1, (n,).
        threshold: at and above which the answer is class 1.
        label: the curve's name in the legend.
        ax: where to draw, or None; several models can share one.
    """
    ax = _square(ax)
    false_alarms, hits, _ = metrics.roc_curve(labels, probabilities)
    area = metrics.roc_auc_score(labels, probabilities)
    digits = 5 if 0.99 < threshold < 1 else 3  # a threshold so near to 1 must not read as 1
    (line,) = ax.plot(false_alarms, hits, label=f"{label}: area {area:.3f}, threshold {threshold:.{digits}g}")
    positive = np.asarray(probabilities) >= threshold
    _operating_point(ax, positive[labels == 0].mean(), positive[labels == 1].mean(), line)
    ax.plot([0, 1], [0, 1], linestyle=":", color="#888888", linewidth=1)
    ax.set(xlabel="false-positive rate (1 - specificity)", ylabel="sensitivity", title="ROC curve")
    ax.legend(loc="lower right")
    return ax


def precision_recall_curve(
    labels: np.ndarray, probabilities: np.ndarray, *, threshold: float = 0.5, label: str = "model", ax=None
):
    """Precision against recall of class 1 with the operating point; arguments as for :func:`roc_curve`."""
    ax = _square(ax)
    precision, recall, _ = metrics.precision_recall_curve(labels, probabilities)
    average = metrics.average_precision_score(labels, probabilities)
    (line,) = ax.plot(recall, precision, label=f"{label}: average precision {average:.3f}")
    positive = np.asarray(probabilities) >= threshold
    if positive.any():
        _operating_point(ax, positive[labels == 1].mean(), np.asarray(labels)[positive].mean(), line)
    ax.axhline(np.mean(labels), linestyle=":", color="#888888", linewidth=1)
    ax.set(xlabel="recall (sensitivity)", ylabel="precision", title="Precision and recall")
    ax.legend(loc="lower left")
    return ax


def calibration(labels: np.ndarray, probabilities: np.ndarray, *, label: str = "model", bins: int = 8, ax=None):
    """How often class 1 was true where the model gave it which probability; on the diagonal it means what it says.

    Args:
        labels: 0 or 1, (n,).
        probabilities: of class 1, (n,).
        label: the curve's name in the legend, where the Brier score stands too (mean squared error; 0 is best).
        bins: points of the curve, each of equally many examples, with 95 % Wilson intervals.
        ax: where to draw, or None; several models can share one.
    """
    ax = _square(ax)
    order = np.argsort(probabilities, kind="stable")
    said, true, ends = [], [], []
    for rows in np.array_split(order, bins):
        interval = stats.binomtest(int(np.sum(labels[rows])), len(rows)).proportion_ci(method="wilson")
        said.append(probabilities[rows].mean())
        true.append(labels[rows].mean())
        ends.append((true[-1] - interval.low, interval.high - true[-1]))
    brier = metrics.brier_score_loss(labels, probabilities)
    ax.errorbar(
        said, true, yerr=np.clip(np.transpose(ends), 0, 1), marker="o", capsize=2, label=f"{label}: Brier {brier:.3f}"
    )
    ax.plot([0, 1], [0, 1], linestyle=":", color="#888888", linewidth=1)
    ax.set(xlabel="probability the model gives", ylabel="share that is true", title="Calibration")
    ax.legend(loc="upper left")
    return ax


def score_intervals(scores: pd.DataFrame, *, reference: float | None = None, ax=None):
    """Models one below the other, each score a point with its 95 % interval.

    Args:
        scores: index: names; columns ``value``, ``low``, ``high``, from 0 to 1.
        reference: a score to compare with, drawn as a dotted line (what the report printed, say).
        ax: where to draw, or None.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(6.4, 0.42 * len(scores) + 1.2))
    heights = np.arange(len(scores))[::-1]
    ends = [scores["value"] - scores["low"], scores["high"] - scores["value"]]
    ax.errorbar(scores["value"], heights, xerr=ends, fmt="o", color=BLUE, capsize=3)
    if reference is not None:
        ax.axvline(reference, linestyle=":", color=ORANGE, label=f"the report: {reference:.1%}")
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False)  # above, where it covers no point
    ax.set_yticks(heights, scores.index)
    ax.set_ylim(-0.6, len(scores) - 0.4)
    ax.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1))
    ax.xaxis.set_major_locator(mpl.ticker.MaxNLocator(6))
    ax.set(xlabel="test accuracy, 95 % interval")
    return ax


def save(drawn, path: Path, provenance: dict) -> Path:
    """Write the figure as PNG with its origin in small print at the foot and, in full, in the file's metadata.

    Args:
        drawn: a Figure, an Axes or an array of Axes.
        path: where to, ending in ``.png``.
        provenance: from ``runtime.Lesson.provenance``.
    """
    figure = drawn if isinstance(drawn, mpl.figure.Figure) else np.ravel(drawn)[0].figure
    origin = textwrap.fill(caption(provenance), int(13 * figure.get_figwidth()))  # 13 letters of this size an inch
    figure.supxlabel(origin, fontsize=6.5, color="#777777", x=0.01, ha="left")
    path = Path(path)
    partial = path.with_suffix(".part")
    figure.savefig(partial, format="png", metadata={"Description": json.dumps(provenance)})
    partial.replace(path)
    return path


def caption(provenance: dict) -> str:
    """The small print under a figure: source, weights, profile, seed, precision and versions."""
    source = {"sample": "EMBEDDED SAMPLE DATA: ", "real": "real data: ", "none": ""}[provenance["source"]]
    return (
        f"{source}{provenance['data']} · weights: {provenance['weights']} · {provenance['profile']} · "
        f"seed {provenance['seed']} · {provenance['precision']} · Keras {provenance['versions']['keras']}"
    )


def _square(ax):
    if ax is None:
        _, ax = plt.subplots(figsize=(4.4, 4.2))
    return ax


def _operating_point(ax, x, y, line):
    ax.plot(x, y, marker="o", markersize=8, markerfacecolor="white", color=line.get_color(), linestyle="none")
