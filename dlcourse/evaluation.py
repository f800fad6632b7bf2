"""Arrays in, numbers out: confusion, per-class scores, ROC and PR, thresholds, bootstrap intervals, baselines.

NumPy, SciPy and scikit-learn only, so that predictions of any framework can be judged.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy import stats
from sklearn import metrics


@dataclass(frozen=True)
class Score:
    """A number and the interval it is known to.

    Attributes:
        value: the point estimate.
        low, high: ends of the 95 % interval.
        count: how many test examples it rests on.
    """

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}]"

    def as_dict(self) -> dict:
        """The four numbers, ready for JSON."""
        return asdict(self)


def accuracy(labels: np.ndarray, predictions: np.ndarray) -> Score:
    """The share of correct predictions with its 95 % Wilson interval.

    Args:
        labels: integers, (n,).
        predictions: integers, (n,).

    Raises:
        ValueError: if the arrays differ in length or are empty.

    Source: Wilson (1927), J. Am. Stat. Assoc. 22, 209-212.
    """
    labels, predictions = _same_length(labels, predictions)
    correct = int(np.sum(labels == predictions))
    interval = stats.binomtest(correct, len(labels)).proportion_ci(method="wilson")
    return Score(correct / len(labels), float(interval.low), float(interval.high), len(labels))


def auroc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve: how often an example of class 1 scores above one of class 0, ties counting half.

    The number of ``sklearn.metrics.roc_auc_score``, from ranks: no curve is drawn for each of a thousand resamples.

    Args:
        labels: 0 or 1, (n,), both present.
        scores: (n,), higher for class 1.

    Raises:
        ValueError: if a class is missing.

    Source: Hanley & McNeil (1982), Radiology 143, 29-36; Mann & Whitney's U.
    """
    ill = np.asarray(labels) == 1
    positive, negative = int(ill.sum()), int((~ill).sum())
    if not positive or not negative:
        raise ValueError(f"expected examples of both classes; got {positive} of class 1 and {negative} of the other")
    ranks = stats.rankdata(scores)[ill].sum()
    return float((ranks - positive * (positive + 1) / 2) / (positive * negative))


def bootstrap(
    metric: Callable[[np.ndarray, np.ndarray], float],
    labels: np.ndarray,
    scores: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Score:
    """Any metric of labels and scores with its 95 % percentile bootstrap interval.

    Args:
        metric: called as ``metric(labels, scores)``, for example :func:`auroc`.
        labels: integers, (n,).
        scores: (n,) or (n, classes).
        groups: whose example it is, (n,): whole patients are drawn, since images of one are alike. None: examples.
        resamples: how many times the test set is drawn anew, with replacement.
        seed: of the draws.

    Source: Efron (1979), Ann. Statist. 7, 1-26.
    """
    labels, scores = _same_length(labels, scores)
    value, low, high = _resampled(metric, labels, scores, groups, resamples, seed)
    return Score(float(value), float(low), float(high), len(labels))


def difference(
    metric: Callable[[np.ndarray, np.ndarray], float],
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Score:
    """How much better `second` is than `first` on the same examples, with its paired bootstrap interval.

    Both models are asked about the same redrawn examples, so that what is hard for both cancels. An interval that
    holds 0 means that the test set cannot tell them apart.

    Args:
        metric: called as ``metric(labels, scores)``.
        labels: integers, (n,).
        first, second: scores of the two models, (n, ...) each.
        groups, resamples, seed: as in :func:`bootstrap`.
    """
    both = np.stack(_same_length(first, second), axis=1)
    return bootstrap(
        lambda truth, pair: metric(truth, pair[:, 1]) - metric(truth, pair[:, 0]),
        labels, both, groups=groups, resamples=resamples, seed=seed,
    )  # fmt: skip


def mcnemar(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """p-value of McNemar's exact test that two classifiers err equally often on the same examples.

    Args:
        labels, first, second: integers, (n,): the truth and the answers of the two.

    Source: McNemar (1947), Psychometrika 12, 153-157; exact binomial form.
    """
    right = [np.equal(*_same_length(labels, answers)) for answers in (first, second)]
    only_first, only_second = int(np.sum(right[0] & ~right[1])), int(np.sum(right[1] & ~right[0]))
    return float(stats.binomtest(only_first, only_first + only_second).pvalue) if only_first + only_second else 1.0


def binary(
    labels: np.ndarray,
    probabilities: np.ndarray,
    *,
    threshold: float = 0.5,
    groups: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Score]:
    """Accuracy, sensitivity (recall), specificity, precision, F1 and AUROC with bootstrap intervals.

    Args:
        labels: 0 or 1, (n,).
        probabilities: of class 1, (n,).
        threshold: at and above which the answer is class 1.
        groups, resamples, seed: as in :func:`bootstrap`.
    """

    labels, probabilities = _same_length(labels, probabilities)

    def measures(truth, scores):
        """The six numbers, in the order of `names`."""
        called = scores >= threshold
        hits, ill, alarms = np.sum(called & (truth == 1)), np.sum(truth == 1), np.sum(called)
        return np.array(
            [
                np.mean(called == truth),
                hits / ill,
                np.mean(~called[truth == 0]),
                hits / max(alarms, 1),
                2 * hits / (ill + alarms),
                auroc(truth, scores),
            ]
        )

    names = ("accuracy", "sensitivity", "specificity", "precision", "F1", "AUROC")
    ends = _resampled(measures, labels, probabilities, groups, resamples, seed)
    return {name: Score(*map(float, of), len(labels)) for name, *of in zip(names, *ends, strict=True)}


def confusion(labels: np.ndarray, predictions: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Counts, true classes in rows and predicted ones in columns.

    Args:
        labels: integers, (n,), indices into `classes`.
        predictions: likewise.
        classes: their names.
    """
    labels, predictions = _same_length(labels, predictions)
    counts = metrics.confusion_matrix(labels, predictions, labels=np.arange(len(classes)))
    return pd.DataFrame(counts, index=pd.Index(classes, name="true"), columns=pd.Index(classes, name="predicted"))


def per_class(labels: np.ndarray, predictions: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Precision, recall, F1 (0 to 1) and number of examples of every class, and their unweighted mean."""
    labels, predictions = _same_length(labels, predictions)
    report = metrics.classification_report(
        labels,
        predictions,
        labels=np.arange(len(classes)),
        target_names=list(classes),
        output_dict=True,
        zero_division=0,
    )
    frame = pd.DataFrame({name: report[name] for name in [*classes, "macro avg"]}).T
    return frame.rename(index={"macro avg": "mean"}, columns={"support": "examples"}).astype({"examples": int})


def majority(train_labels: np.ndarray, test_labels: np.ndarray) -> Score:
    """The accuracy of always answering the most frequent training class: the least a model has to beat."""
    most_frequent = np.bincount(train_labels).argmax()
    return accuracy(test_labels, np.full(len(test_labels), most_frequent))


def choose_threshold(labels: np.ndarray, probabilities: np.ndarray, *, balanced: bool = False) -> float:
    """The best threshold on the probability of class 1. Use validation data, never the test set.

    The middle of the longest run of equally good thresholds is taken, since its end would rest on one example.

    Args:
        labels: 0 or 1, (n,).
        probabilities: of class 1, (n,).
        balanced: maximise sensitivity + specificity (Youden's index), which does not depend on how frequent the classes
            are, instead of accuracy.

    Source: Youden (1950), Cancer 3, 32-35.
    """
    labels, probabilities = _same_length(labels, probabilities)
    candidates = np.concatenate([[0.0], np.unique(probabilities), [1.0]])
    middles = (candidates[:-1] + candidates[1:]) / 2
    first, second = (np.sort(probabilities[labels == label]) for label in (0, 1))
    # In whole numbers, the shares times their common denominator, so that equally good thresholds are exactly equal.
    weights = (len(second), len(first)) if balanced else (1, 1)
    right = np.searchsorted(first, middles), len(second) - np.searchsorted(second, middles)
    merit = weights[0] * right[0] + weights[1] * right[1]
    best = np.flatnonzero(merit == merit.max())
    runs = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    widest = max(runs, key=lambda run: candidates[run[-1] + 1] - candidates[run[0]])
    return float((candidates[widest[0]] + candidates[widest[-1] + 1]) / 2)


def worst_mistakes(labels: np.ndarray, probabilities: np.ndarray, count: int = 12) -> np.ndarray:
    """Indices of the wrongly classified examples, those first in which the true class got the least probability.

    Args:
        labels: integers, (n,).
        probabilities: (n, classes), or (n,) of class 1 in a binary problem (decided at 0.5).
        count: how many at most.
    """
    probabilities = np.asarray(probabilities)
    if probabilities.ndim == 1:
        probabilities = np.stack([1 - probabilities, probabilities], axis=1)
    labels, probabilities = _same_length(labels, probabilities)
    of_true_class = probabilities[np.arange(len(labels)), labels]
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return wrong[np.argsort(of_true_class[wrong], kind="stable")][:count]


def over_seeds(values: Sequence[float]) -> Score:
    """Mean over training runs with its 95 % t-interval: how far the mean of new runs may lie from it."""
    values = np.asarray(values, float)
    mean = float(values.mean())
    if len(values) < 2:
        return Score(mean, float("nan"), float("nan"), len(values))
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return Score(mean, mean - half, mean + half, len(values))


def independence(counts: np.ndarray) -> float:
    """p-value of the chi-squared test that rows and columns of a confusion matrix have nothing to do with each other.

    A large value means the matrix looks as if labels had been shuffled; 1 where only one class is ever true or
    answered. Two-by-two tables get Yates' correction.
    """
    counts = np.asarray(counts)
    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    return float(stats.chi2_contingency(counts).pvalue) if min(counts.shape) > 1 else 1.0


def _resampled(metric, labels, scores, groups, resamples, seed) -> tuple:
    """A metric's value and the ends of its percentile bootstrap interval; each an array where the metric gives one."""
    random = np.random.default_rng(seed)
    _, group = np.unique(np.arange(len(labels)) if groups is None else groups, return_inverse=True)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    values = []
    for _ in range(resamples):
        drawn = random.integers(0, len(members), len(members))
        drawn = drawn if groups is None else np.concatenate([members[number] for number in drawn])
        if len(np.unique(labels[drawn])) == len(np.unique(labels)):  # AUROC needs every class
            values.append(metric(labels[drawn], scores[drawn]))
    return metric(labels, scores), *np.percentile(values, [2.5, 97.5], axis=0)


def _same_length(labels, others) -> tuple[np.ndarray, np.ndarray]:
    labels, others = np.asarray(labels), np.asarray(others)
    if len(labels) != len(others) or len(labels) == 0:
        raise ValueError(f"expected as many predictions as labels, at least one; got {len(others)} and {len(labels)}")
    return labels, others
