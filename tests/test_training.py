"""Histories, early stopping, the faster batch normalisation, and the way back to float32."""

import contextlib
import io
import re
import subprocess
import sys
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest

from dlcourse import training


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)


def line_model(metrics=("mean_absolute_error",), learning_rate=0.05):
    """One weight that has to become 1, from 0."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(learning_rate), loss="mean_squared_error", metrics=list(metrics))
    return model


X = np.linspace(-1, 1, 32, dtype=np.float32)[:, np.newaxis]


def fit(model, *callbacks, epochs=3, validation=(X, X), **more):
    return model.fit(
        X, X, batch_size=8, epochs=epochs, verbose=0, validation_data=validation, callbacks=list(callbacks), **more
    )


@pytest.fixture(scope="module")
def logged():
    """The log of a run of three epochs, what `fit` returned, and what was printed."""
    log, printed = training.EpochLog("report's model"), io.StringIO()
    with contextlib.redirect_stdout(printed):
        history = fit(line_model(), log).history
    return log, history, printed.getvalue()


# ---- EpochLog -------------------------------------------------------------------------------------------------


def test_every_epoch_has_a_row_with_the_metrics_that_fit_returns(logged):
    log, history, _ = logged
    assert [(row["run"], row["epoch"]) for row in log.rows] == [("report's model", number) for number in (1, 2, 3)]
    assert set(history) == {"loss", "mean_absolute_error", "val_loss", "val_mean_absolute_error"}
    for key, values in history.items():
        assert [row[key] for row in log.rows] == pytest.approx(values)


def test_the_seconds_rise_from_the_start_of_training(logged):
    log = logged[0]
    seconds = [row["seconds"] for row in log.rows]
    assert 0 < seconds[0] < seconds[1] < seconds[2]
    assert log.seconds == seconds[-1]


def test_every_epoch_prints_one_line_with_its_metrics(logged):
    _, history, printed = logged
    lines = printed.splitlines()
    assert len(lines) == 3
    for number, line in enumerate(lines, start=1):
        metrics = "  ".join(rf"{key} {history[key][number - 1]:.4f}" for key in history)
        assert re.fullmatch(rf"report's model: epoch {number}/3  \d+ s  {re.escape(metrics)}", line)


def test_a_long_run_may_print_fewer_lines_and_still_records_every_epoch(capsys):
    log = training.EpochLog("long", every=4)
    fit(line_model(), log, epochs=10)
    printed = re.findall(r"epoch (\d+)/10", capsys.readouterr().out)
    assert printed == ["4", "8"]
    assert len(log.rows) == 10


@pytest.fixture
def displayed(monkeypatch):
    """JupyterLab as far as a kernel sees it; what is displayed and updated, in order."""
    shown = []

    class Handle:
        def update(self, figure):
            shown.append(("update", figure))

    def display(figure, display_id):
        assert display_id is True
        shown.append(("display", figure))
        return Handle()

    monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/02_digits_cnn.ipynb")
    monkeypatch.setattr("IPython.display.display", display)
    return shown


def test_in_jupyterlab_one_curve_grows_and_no_line_is_printed(displayed, capsys):
    log = training.EpochLog("tiny")
    fit(line_model(), log, epochs=3)
    assert [how for how, _ in displayed] == ["display", "update", "update"]
    lines = [len(axes.lines[0].get_xdata()) for _, figure in displayed for axes in figure.axes[:1]]
    assert lines == [1, 2, 3]
    assert [axes.get_ylabel() for axes in displayed[-1][1].axes] == ["loss", "mean_absolute_error"]
    assert capsys.readouterr().out == ""
    assert plt.get_fignums() == []  # the notebook would show an open one a second time


def test_a_second_fit_draws_a_curve_of_its_own(displayed):
    log = training.EpochLog("tiny", every=2)
    for _ in range(2):
        fit(line_model(), log, epochs=4)
    assert [how for how, _ in displayed] == ["display", "update"] * 2


def test_drawing_is_not_counted_as_training(displayed, monkeypatch):
    def slow(*_, **__):
        time.sleep(1)
        return plt.subplots(1, 1, squeeze=False)[1].ravel()

    log = training.EpochLog("tiny")
    monkeypatch.setattr(training.figures, "learning_curves", slow)
    model = line_model()
    fit(model)  # traced, so that the epochs are short
    fit(model, log, epochs=3)
    assert log.seconds < 1


def test_the_learning_rate_is_no_metric():
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=1)
    log = training.EpochLog("plain")
    history = fit(line_model(), plateau, log).history
    assert "learning_rate" in history
    assert not [key for row in log.rows for key in row if "learning_rate" in key]


def test_a_second_fit_goes_on_in_epochs_and_seconds():
    log = training.EpochLog("in two parts")
    model = line_model()
    fit(model, log, epochs=2)
    fit(model, log, epochs=4, initial_epoch=2)
    assert [row["epoch"] for row in log.rows] == [1, 2, 3, 4]
    seconds = [row["seconds"] for row in log.rows]
    assert seconds == sorted(seconds)


def test_the_frame_has_a_row_an_epoch_and_a_column_a_metric(logged):
    log, history, _ = logged
    assert list(log.frame.columns) == ["run", "epoch", "seconds", *history]
    assert log.frame["val_loss"].tolist() == history["val_loss"]


def test_the_best_row_is_the_earliest_of_the_best():
    log = training.EpochLog("made")
    log.rows = [{"epoch": number, "val_accuracy": value} for number, value in enumerate((0.5, 0.9, 0.9, 0.7), start=1)]
    assert log.best()["epoch"] == 2
    assert log.best(mode="min")["epoch"] == 1


def test_asking_for_the_best_of_a_metric_that_was_not_recorded_names_it(logged):
    with pytest.raises(KeyError, match="val_f1"):
        logged[0].best("val_f1")


# ---- the faster batch normalisation ---------------------------------------------------------------------------


def twins(shape, **arguments):
    """Keras' layer and ours with the same weights, none of them at its initial value."""
    layers = []
    for kind in (keras.layers.BatchNormalization, training.BatchNormalization):
        layer = kind(**arguments)
        layer.build(shape)
        generator = np.random.default_rng(1)
        layer.set_weights([generator.uniform(0.5, 2, weight.shape) for weight in layer.get_weights()])
        layers.append(layer)
    return layers


def pictures(shape=(4, 6, 5, 3), dtype="float32"):
    return keras.ops.convert_to_tensor(np.random.default_rng(0).normal(3, 2, shape).astype("float32"), dtype)


ARGUMENTS = [{}, {"momentum": 0.9, "epsilon": 1e-5}, {"scale": False}, {"center": False}, {"trainable": False}]


def as_arrays(layer):
    return [keras.ops.convert_to_numpy(weight) for weight in layer.weights]


@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize("mode", [True, False])
def test_fused_normalisation_gives_the_numbers_of_keras(arguments, mode):
    plain, fused = twins((None, 6, 5, 3), **arguments)
    for _ in range(3):
        np.testing.assert_allclose(fused(pictures(), training=mode), plain(pictures(), training=mode), atol=2e-5)
    for ours, theirs in zip(as_arrays(fused), as_arrays(plain), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "arguments"), [((4, 6, 5, 3), {"axis": 1}), ((8, 3), {}), ((4, 6, 3), {}), ((2, 3, 4, 5, 3), {})]
)
def test_what_the_kernel_does_not_take_gives_the_numbers_of_keras_too(shape, arguments):
    plain, ours = twins((None, *shape[1:]), **arguments)
    np.testing.assert_allclose(ours(pictures(shape), training=True), plain(pictures(shape), training=True), atol=2e-5)


def test_fused_normalisation_has_the_gradients_of_keras():
    # The gradient is TensorFlow's; a model trained one step by either has to hold the same weights.
    trained = []
    for kind in (keras.layers.BatchNormalization, training.BatchNormalization):
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [keras.Input((6, 5, 3)), keras.layers.Conv2D(4, 3), kind(), keras.layers.Flatten(), keras.layers.Dense(1)]
        )
        model.compile(keras.optimizers.SGD(0.01), loss="mean_squared_error", jit_compile=False)
        model.train_on_batch(pictures(), np.arange(4.0)[:, np.newaxis])
        trained.append(model.get_weights())
    for theirs, ours in zip(*trained, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_fused_normalisation_computes_in_bfloat16_and_keeps_its_weights_in_float32():
    plain, fused = twins((None, 6, 5, 3), dtype="mixed_bfloat16")
    images = pictures(dtype="bfloat16")
    ours, theirs = fused(images, training=True), plain(images, training=True)
    assert keras.backend.standardize_dtype(ours.dtype) == "bfloat16"
    np.testing.assert_allclose(keras.ops.cast(ours, "float32"), keras.ops.cast(theirs, "float32"), atol=0.05)
    assert {weight.dtype for weight in fused.weights} == {"float32"}


def small_network(kind=training.BatchNormalization, **arguments):
    return keras.Sequential(
        [
            keras.Input((6, 5, 3)),
            keras.layers.Conv2D(4, 3, **arguments),
            kind(**arguments),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, activation="softmax", dtype="float32"),
        ]
    )


def test_plain_keras_loads_a_model_with_fused_normalisation_without_this_project(tmp_path):
    model = small_network()
    model.layers[1].set_weights([np.random.default_rng(2).uniform(0.5, 2, 4) for _ in range(4)])
    model.save(tmp_path / "model.h5", include_optimizer=False)
    np.save(tmp_path / "images.npy", pictures())
    code = (
        "import keras, numpy, sys\n"
        "model = keras.models.load_model('model.h5', compile=False)\n"
        "assert not [name for name in sys.modules if name.startswith('dlcourse')]\n"
        "assert type(model.layers[1]) is keras.layers.BatchNormalization\n"
        "numpy.save('predictions.npy', model.predict(numpy.load('images.npy'), verbose=0))\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "predictions.npy"), model.predict(pictures(), verbose=0), atol=1e-5)


def dropping_network():
    return keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    )


def fitted(model):
    random = np.random.default_rng(4)
    model.fit(random.normal(size=(20, 6)), random.normal(size=20), batch_size=8, epochs=3, verbose=0)
    return model.get_weights()


def test_a_network_started_over_learns_what_a_new_one_does():
    compiled = dropping_network()
    compiled.compile("adam", "mean_squared_error", jit_compile=False)
    fitted(compiled)
    runs = []
    for anew in (True, False):
        keras.utils.set_random_seed(6)
        model = dropping_network()
        if anew:
            model.compile("adam", "mean_squared_error", jit_compile=False)
        else:
            training.start_over(compiled, model)
            model = compiled
        runs.append(fitted(model))
    for new, over in zip(*runs, strict=True):
        np.testing.assert_allclose(over, new, atol=1e-6)


def test_a_network_that_was_never_fitted_can_be_started_over():
    compiled, start = dropping_network(), dropping_network()
    compiled.compile("adam", "mean_squared_error")
    training.start_over(compiled, start)
    for mine, its in zip(compiled.get_weights(), start.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_starting_over_from_another_architecture_is_an_error():
    compiled = dropping_network()
    compiled.compile("adam", "mean_squared_error")
    with pytest.raises(ValueError, match="to be built by the code of"):
        training.start_over(compiled, small_network())
