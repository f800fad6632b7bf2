"""Metrics against numbers worked by hand or computed by scikit-learn and SciPy."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics

from dlcourse import evaluation


def test_accuracy_has_the_interval_of_wilson():
    labels = np.array([1] * 10)
    score = evaluation.accuracy(labels, np.array([1] * 8 + [0] * 2))
    # (p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n) with p = 0.8, n = 10, z = 1.96
    assert score.value == 0.8
    assert (score.low, score.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert score.count == 10


def test_a_perfect_accuracy_is_not_known_to_be_perfect():
    score = evaluation.accuracy(np.zeros(20, int), np.zeros(20, int))
    assert score.value == score.high == 1.0
    assert score.low == pytest.approx(20 / (20 + 1.96**2), abs=1e-3)


def test_a_score_prints_as_percent_with_its_interval():
    assert str(evaluation.Score(0.8, 0.4902, 0.9433, 10)) == "80.0% [49.0%, 94.3%]"


def test_a_score_as_dict_is_ready_for_json():
    assert evaluation.Score(0.5, 0.25, 0.75, 4).as_dict() == {"value": 0.5, "low": 0.25, "high": 0.75, "count": 4}


@pytest.mark.parametrize(("labels", "predictions"), [([0, 1], [0]), ([], [])])
def test_lengths_that_do_not_fit_are_told(labels, predictions):
    with pytest.raises(ValueError, match=rf"got {len(predictions)} and {len(labels)}"):
        evaluation.accuracy(np.array(labels, int), np.array(predictions, int))


def noisy(count=200, seed=3):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count)
    return labels, np.clip(0.3 * labels + random.normal(0.35, 0.2, count), 0, 1)


def test_the_binary_scores_are_scikit_learns():
    labels, probabilities = noisy()
    found = evaluation.binary(labels, probabilities, threshold=0.6, resamples=20)
    answers = (probabilities >= 0.6).astype(int)
    assert {name: score.value for name, score in found.items()} == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(labels, answers),
            "sensitivity": metrics.recall_score(labels, answers),
            "specificity": metrics.recall_score(1 - labels, 1 - answers),
            "precision": metrics.precision_score(labels, answers),
            "F1": metrics.f1_score(labels, answers),
            "AUROC": metrics.roc_auc_score(labels, probabilities),
        }
    )
    assert all(score.low <= score.value <= score.high for score in found.values())


@pytest.mark.parametrize("step", [0.5, 0.1, 1e-9], ids=["many ties", "some ties", "none"])
def test_the_area_under_the_roc_curve_is_scikit_learns(step):
    labels, probabilities = noisy()
    scores = (probabilities / step).round() * step
    assert evaluation.auroc(labels, scores) == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize("label", [0, 1])
def test_the_area_under_the_roc_curve_needs_both_classes(label):
    with pytest.raises(ValueError, match="expected examples of both classes; got"):
        evaluation.auroc(np.full(5, label), np.arange(5))


def test_a_model_that_never_says_yes_has_no_precision():
    found = evaluation.binary(np.array([0, 1] * 5), np.zeros(10), resamples=20)
    assert (found["precision"].value, found["sensitivity"].value, found["specificity"].value) == (0, 0, 1)


def test_whole_patients_are_drawn_so_that_many_images_of_one_do_not_narrow_the_interval():
    labels, probabilities = noisy(100)
    patients = np.repeat(np.arange(100), 4)
    labels, probabilities = np.repeat(labels, 4), np.repeat(probabilities, 4)
    widths = []
    for groups in (None, patients):
        score = evaluation.bootstrap(evaluation.auroc, labels, probabilities, groups=groups, resamples=200)
        widths.append(score.high - score.low)
    assert widths[1] / widths[0] == pytest.approx(2, rel=0.15)  # four copies look like half the error


def test_the_bootstrap_interval_holds_the_value_and_repeats_with_its_seed():
    labels, probabilities = noisy()
    score = evaluation.bootstrap(evaluation.auroc, labels, probabilities, seed=1, resamples=200)
    assert score.low < score.value < score.high
    assert score == evaluation.bootstrap(evaluation.auroc, labels, probabilities, seed=1, resamples=200)
    assert score != evaluation.bootstrap(evaluation.auroc, labels, probabilities, seed=2, resamples=200)


def test_the_bootstrap_interval_of_an_accuracy_agrees_with_the_binomial_one():
    labels = np.ones(400, int)
    predictions = np.r_[np.ones(300, int), np.zeros(100, int)]
    score = evaluation.bootstrap(metrics.accuracy_score, labels, predictions)
    wilson = evaluation.accuracy(labels, predictions)
    assert (score.low, score.high) == pytest.approx((wilson.low, wilson.high), abs=0.01)


def test_the_bootstrap_survives_a_class_of_two_examples():
    labels = np.array([0] * 30 + [1] * 2)
    score = evaluation.bootstrap(evaluation.auroc, labels, np.linspace(0, 1, 32), resamples=200)
    assert score.value == 1.0
    assert not math.isnan(score.low)


def test_the_bootstrap_takes_probabilities_of_several_classes():
    labels = np.array([0, 1, 2] * 10)
    score = evaluation.bootstrap(
        lambda labels, rows: metrics.accuracy_score(labels, rows.argmax(axis=1)),
        labels,
        np.eye(3)[labels],
        resamples=20,
    )
    assert (score.value, score.count) == (1.0, 30)


def test_confusion_has_the_truth_in_rows():
    counts = evaluation.confusion(np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1]), ["cat", "dog", "bird"])
    expected = pd.DataFrame(
        [[1, 2, 0], [0, 1, 0], [0, 0, 0]],
        index=pd.Index(["cat", "dog", "bird"], name="true"),
        columns=pd.Index(["cat", "dog", "bird"], name="predicted"),
    )
    pd.testing.assert_frame_equal(counts, expected)


def test_per_class_scores_worked_by_hand():
    # Class b: 2 of 3 called b are b (precision), 2 of the 4 that are b were called b (recall).
    labels, predictions = np.array([0, 0, 1, 1, 1, 1]), np.array([0, 1, 1, 1, 0, 0])
    frame = evaluation.per_class(labels, predictions, ["a", "b"])
    assert frame.loc["b", "precision"] == pytest.approx(2 / 3)
    assert frame.loc["b", "recall"] == 0.5
    assert frame.loc["b", "f1-score"] == pytest.approx(4 / 7)
    assert frame["examples"].tolist() == [2, 4, 6]
    assert frame.loc["mean", "recall"] == pytest.approx((0.5 + 0.5) / 2)


def test_a_class_never_predicted_has_precision_zero_without_a_warning(recwarn):
    frame = evaluation.per_class(np.array([0, 1]), np.array([0, 0]), ["a", "b"])
    assert frame.loc["b", "precision"] == 0
    assert not recwarn.list


def test_majority_answers_the_most_frequent_training_class():
    score = evaluation.majority(np.array([2, 2, 1, 0]), np.array([2, 0, 0, 0]))
    assert (score.value, score.count) == (0.25, 4)


def test_the_threshold_lies_in_the_middle_of_the_gap():
    threshold = evaluation.choose_threshold(np.array([0, 0, 1, 1]), np.array([0.1, 0.3, 0.9, 0.95]))
    assert threshold == pytest.approx(0.6)


def test_the_threshold_follows_a_scale_that_has_moved():
    # Every probability is above 0.5, yet the order is perfect.
    labels, probabilities = np.array([0, 0, 0, 1, 1]), np.array([0.7, 0.75, 0.8, 0.96, 0.98])
    threshold = evaluation.choose_threshold(labels, probabilities)
    assert 0.8 < threshold < 0.96


def test_no_threshold_is_more_accurate_than_the_chosen_one():
    labels, probabilities = noisy(60)
    chosen = evaluation.choose_threshold(labels, probabilities)
    accuracies = [np.mean((probabilities >= threshold) == labels) for threshold in np.linspace(0, 1, 2001)]
    assert np.mean((probabilities >= chosen) == labels) == pytest.approx(max(accuracies))


def test_a_balanced_threshold_does_not_depend_on_how_frequent_the_classes_are():
    labels, probabilities = noisy(60)
    many = np.concatenate([np.arange(len(labels)), *[np.flatnonzero(labels == 1)] * 9])  # ten times as many of class 1
    chosen = evaluation.choose_threshold(labels, probabilities, balanced=True)
    assert evaluation.choose_threshold(labels[many], probabilities[many], balanced=True) == chosen
    assert evaluation.choose_threshold(labels[many], probabilities[many]) < chosen


def test_no_threshold_has_a_higher_youden_index_than_the_balanced_one():
    labels, probabilities = noisy(60)

    def index(threshold):
        positive = probabilities >= threshold
        return positive[labels == 1].mean() - positive[labels == 0].mean()

    chosen = evaluation.choose_threshold(labels, probabilities, balanced=True)
    assert index(chosen) == pytest.approx(max(index(threshold) for threshold in np.linspace(0, 1, 2001)))


def test_of_equally_good_thresholds_the_widest_run_counts():
    # One mistake either way: between 0.10 and 0.15 (narrow), or between 0.2 and 0.9 (wide).
    labels, probabilities = np.array([0, 1, 0, 1]), np.array([0.1, 0.15, 0.2, 0.9])
    assert evaluation.choose_threshold(labels, probabilities) == pytest.approx(0.55)


def test_the_worst_mistake_comes_first():
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.4, 0.6], [0.1, 0.9], [0.2, 0.8], [0.7, 0.3]])
    assert evaluation.worst_mistakes(labels, probabilities).tolist() == [1, 3, 0]
    assert evaluation.worst_mistakes(labels, probabilities, count=1).tolist() == [1]


def test_worst_mistakes_of_a_binary_model_take_its_one_column():
    assert evaluation.worst_mistakes(np.array([0, 1, 1]), np.array([0.9, 0.8, 0.2])).tolist() == [0, 2]


def test_no_mistakes_are_no_indices():
    assert evaluation.worst_mistakes(np.array([0, 1]), np.array([0.1, 0.9])).tolist() == []


def test_the_interval_over_seeds_is_students():
    values = [0.90, 0.92, 0.94]
    score = evaluation.over_seeds(values)
    # standard deviation 0.02, standard error 0.02/√3, t(0.975, 2) = 4.303
    assert score.value == pytest.approx(0.92)
    assert score.high - score.value == pytest.approx(4.303 * 0.02 / math.sqrt(3), abs=1e-5)
    assert score.count == 3


def test_one_seed_has_no_interval():
    score = evaluation.over_seeds([0.9])
    assert score.value == 0.9
    assert math.isnan(score.low)
    assert math.isnan(score.high)


def test_independence_of_the_vgg16_reports_matrices():
    # The published matrices, which look like shuffled labels: p = 0.31 (with Yates' correction) and 0.78.
    assert evaluation.independence([[87, 147], [128, 262]]) == pytest.approx(0.31, abs=0.005)
    assert evaluation.independence([[117, 64, 61], [101, 73, 60], [70, 41, 37]]) == pytest.approx(0.78, abs=0.005)


def test_a_matrix_of_a_working_model_is_not_independent():
    counts = np.array([[80, 20], [10, 90]])
    assert evaluation.independence(counts) < 1e-20
    assert evaluation.independence(counts) == stats.chi2_contingency(counts, correction=True).pvalue


def test_a_constant_answer_is_independent_of_everything():
    assert evaluation.independence([[0, 234], [0, 390]]) == 1
    assert evaluation.independence([[5, 0, 0], [1, 0, 7], [0, 0, 0]]) < 0.05


# Two models on the same examples


def accuracy_of(labels, answers):
    return np.mean(labels == answers)


def test_the_difference_of_two_models_is_paired():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 400)
    first = np.where(random.random(400) < 0.3, 1 - labels, labels)  # 30 % wrong
    second = first.copy()
    second[:20] = labels[:20]  # right wherever the first is, and on some of its mistakes
    found = evaluation.difference(accuracy_of, labels, first, second)
    assert found.value == pytest.approx(np.mean(first[:20] != labels[:20]) * 20 / 400)
    assert 0 < found.low < found.value < found.high < 0.05  # unpaired, the interval would be some 12 points wide


def test_a_model_does_not_differ_from_itself():
    labels = np.arange(10) % 2
    assert evaluation.difference(accuracy_of, labels, labels, labels).as_dict() == {
        "value": 0, "low": 0, "high": 0, "count": 10,
    }  # fmt: skip
    assert evaluation.mcnemar(labels, labels, labels) == 1


def test_mcnemar_is_the_binomial_test_of_the_disagreements():
    labels = np.ones(30, int)
    first = np.array([1] * 10 + [0] * 2 + [1] * 18)
    second = np.array([0] * 10 + [1] * 2 + [1] * 18)
    assert evaluation.mcnemar(labels, first, second) == pytest.approx(2 * (1 + 12 + 66) / 2**12)
