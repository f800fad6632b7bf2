"""Callbacks, learning-rate schedules and joined histories; `compile` and `fit` stay in the notebooks."""

import time

import keras
import numpy as np
import pandas as pd


class EpochLog(keras.callbacks.Callback):
    """Prints one line an epoch, which reads well in a notebook and in a log, and times every epoch.

    Use it with ``fit(..., verbose=0, callbacks=[log])``. Validation counts as part of the epoch.

    Args:
        name: what is being trained, named in the line and in :attr:`frame`.

    Attributes:
        rows: one dict an epoch: run, epoch (from 1), seconds since training began, and the metrics.
    """

    def __init__(self, name: str):
        super().__init__()
        self.name = name
        self.rows: list[dict] = []

    def on_train_begin(self, logs=None):
        """Start the clock, going on from earlier rows where `fit` is called again."""
        before = self.rows[-1]["seconds"] if self.rows else 0.0
        self._started = time.perf_counter() - before

    def on_epoch_end(self, epoch, logs=None):
        """Record the epoch and print its line."""
        seconds = time.perf_counter() - self._started
        metrics = {key: float(value) for key, value in (logs or {}).items() if key != "learning_rate"}
        self.rows.append({"run": self.name, "epoch": epoch + 1, "seconds": seconds, **metrics})
        shown = "  ".join(f"{key} {value:.4f}" for key, value in metrics.items())
        print(f"{self.name}: epoch {epoch + 1}/{self.params['epochs']}  {seconds:.0f} s  {shown}", flush=True)

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


@keras.saving.register_keras_serializable("dlcourse")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate that climbs linearly from a tenth of its peak, then falls linearly to nearly zero.

    Large steps in the middle explore, small ones at the end settle; the whole run is planned in advance, so a short
    one ends as converged as a long one (Smith and Topin, 2018, "Super-convergence").

    Args:
        peak: the highest learning rate.
        steps: the optimizer's steps in the whole run.
        warmup: the share of the steps spent climbing, 0 to 1.
    """

    def __init__(self, peak: float, steps: int, warmup: float = 0.25):
        self.peak, self.steps, self.warmup = peak, steps, warmup

    def __call__(self, step):
        """The learning rate at `step` (a scalar tensor counting from 0)."""
        progress = keras.ops.cast(step, "float32") / self.steps
        climbing = 0.1 + 0.9 * progress / max(self.warmup, 1e-6)
        falling = (1.0 - progress) / (1.0 - self.warmup)
        return self.peak * keras.ops.maximum(keras.ops.minimum(climbing, falling), 1e-3)

    def get_config(self):
        """The constructor's arguments."""
        return {"peak": self.peak, "steps": self.steps, "warmup": self.warmup}


def early_stopping(metric: str = "val_accuracy", patience: int = 3, mode: str = "max") -> keras.callbacks.EarlyStopping:
    """Stop when a validation metric has not improved for `patience` epochs, and go back to the best weights."""
    return keras.callbacks.EarlyStopping(monitor=metric, mode=mode, patience=patience, restore_best_weights=True)


def join(*logs: EpochLog) -> pd.DataFrame:
    """The histories of several runs one below the other, told apart by the column ``run``.

    Raises:
        ValueError: if two runs share a name, since their rows could not be told apart.
    """
    names = [log.name for log in logs]
    if len(set(names)) < len(names):
        raise ValueError(f"every run needs its own name; got {', '.join(names)}")
    return pd.concat([log.frame for log in logs], ignore_index=True)
