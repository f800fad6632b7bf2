"""What `fit` is given: an epoch log, a faster batch normalisation, a compiled network to start anew with.

`compile` and `fit` themselves stay in the notebooks.
"""

import os
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tensorflow as tf

from dlcourse import figures


class EpochLog(keras.callbacks.Callback):
    """Shows how training goes, and times every epoch: a curve that grows in JupyterLab, elsewhere one line an epoch.

    Use it with ``fit(..., verbose=0, callbacks=[log])``. Validation counts as part of the epoch.

    Args:
        name: what is being trained, named in the line and in :attr:`frame`.
        every: show only every so many epochs, for recipes of a hundred short ones; all are recorded.

    Attributes:
        rows: one dict an epoch: run, epoch (from 1), seconds since training began, and the metrics.
    """

    def __init__(self, name: str, every: int = 1):
        super().__init__()
        self.name, self.every = name, every
        self.rows: list[dict] = []

    def on_train_begin(self, logs=None):
        """Start the clock, going on from earlier rows where `fit` is called again."""
        before = self.rows[-1]["seconds"] if self.rows else 0.0
        self._started, self._curve = time.perf_counter() - before, None

    def on_epoch_end(self, epoch, logs=None):
        """Record the epoch, and show it."""
        seconds = time.perf_counter() - self._started
        metrics = {key: float(value) for key, value in (logs or {}).items() if key != "learning_rate"}
        self.rows.append({"run": self.name, "epoch": epoch + 1, "seconds": seconds, **metrics})
        if (epoch + 1) % self.every:
            return
        if watched():
            self._draw()
            return
        shown = "  ".join(f"{key} {value:.4f}" for key, value in metrics.items())
        print(f"{self.name}: epoch {epoch + 1}/{self.params['epochs']}  {seconds:.0f} s  {shown}", flush=True)

    def _draw(self):
        from IPython.display import display

        began = time.perf_counter()
        metrics = [name for name in self.rows[-1] if f"val_{name}" in self.rows[-1] or name == "loss"]
        axes = figures.learning_curves(self.frame, metrics=sorted(metrics, key=lambda name: name != "loss")[:2])
        figure = axes[0].figure
        if self._curve is None:
            self._curve = display(figure, display_id=True)
        else:
            self._curve.update(figure)
        plt.close(figure)
        self._started += time.perf_counter() - began  # drawing is no part of training

    @property
    def frame(self) -> pd.DataFrame:
        """The history as a table with a row an epoch; :attr:`rows` says which columns."""
        return pd.DataFrame(self.rows)

    @property
    def seconds(self) -> float:
        """Seconds from the start of training to the end of its last epoch."""
        return self.rows[-1]["seconds"]

    def best(self, metric: str = "val_accuracy", mode: str = "max") -> dict:
        """The row of the epoch in which `metric` was best; the earliest of several equals.

        Raises:
            KeyError: if the metric was not recorded.
        """
        values = [row[metric] for row in self.rows]
        return self.rows[int(np.argmax(values) if mode == "max" else np.argmin(values))]


def watched() -> bool:
    """Whether somebody looks on in JupyterLab, which names its session to the kernels it starts."""
    return "JPY_SESSION_NAME" in os.environ


def start_over(model: keras.Model, start: keras.Model) -> None:
    """Put a compiled model back to where `start` stands, its optimizer forgetting what it gathered.

    To trace a small network takes `fit` longer than to train it. Of a recipe that runs many times (folds, seeds), one
    model is therefore traced and started over, with the result of a new one.

    Args:
        model: compiled; trained or not.
        start: freshly built by the same code: its weights, and what its dropout draws from, are copied.

    Raises:
        ValueError: if the two differ in the shapes of their variables.
    """
    if [variable.shape for variable in model.variables] != [variable.shape for variable in start.variables]:
        raise ValueError(f"expected {start.name} to be built by the code of {model.name}; their variables differ")
    fresh = type(model.optimizer).from_config(model.optimizer.get_config())
    for optimizer in (fresh, model.optimizer):
        optimizer.build(model.trainable_variables)
    state, anew = [*model.variables, *model.optimizer.variables], [*start.variables, *fresh.variables]
    for mine, its in zip(state, anew, strict=True):
        mine.assign(its)


class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` computed by TensorFlow's fused kernel.

    Keras 3 composes batch normalisation from elementary operations, which on a CPU is several
    times slower than the fused kernel. Arguments, weights and results are those of Keras'
    layer, whose name it bears, so that a saved model needs plain Keras only.

    The kernel takes images (batch, height, width, channels) in float32, bfloat16 or float16,
    normalised over the last axis; anything else, a mask included, goes to Keras' computation.
    """

    __module__ = "keras.layers"  # what a config and a saved model name

    def call(self, inputs, training=None, mask=None):
        """Normalise `inputs`, (batch, height, width, channels); shape and dtype stay."""
        fusible = (
            inputs.shape.rank == 4
            and self.axis in (-1, 3)
            and inputs.dtype in (tf.float32, tf.bfloat16, tf.float16)
            and mask is None
            and not self.renorm
            and not self.synchronized
        )
        if not fusible:
            return super().call(inputs, training=training, mask=mask)
        scale = tf.convert_to_tensor(self.gamma) if self.scale else tf.ones_like(self.moving_mean)
        offset = tf.convert_to_tensor(self.beta) if self.center else tf.zeros_like(self.moving_mean)
        if not (training and self.trainable):
            return tf.raw_ops.FusedBatchNormV3(
                x=inputs, scale=scale, offset=offset, mean=self.moving_mean, variance=self.moving_variance,
                epsilon=self.epsilon, is_training=False,
            ).y  # fmt: skip
        outputs = tf.raw_ops.FusedBatchNormV3(
            x=inputs, scale=scale, offset=offset, mean=[], variance=[], epsilon=self.epsilon, is_training=True
        )
        # The kernel reports the unbiased variance (divided by n - 1); Keras' moving average is of the biased one.
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), tf.float32)
        variance = outputs.batch_variance * (count - 1) / count
        self.moving_mean.assign(self.moving_mean * self.momentum + outputs.batch_mean * (1 - self.momentum))
        self.moving_variance.assign(self.moving_variance * self.momentum + variance * (1 - self.momentum))
        return outputs.y
