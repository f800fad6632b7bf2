"""The precision to compute in, chosen by measurement, and models converted from one to another.

A precision is the name of a Keras dtype policy: ``"float32"`` or ``"mixed_bfloat16"``, whose weights are float32 too.
bfloat16 pays where the processor or GPU has units for it (AVX512-BF16, AMX, Ampere and later) and is many times slower
where it has not, so a short trial decides better than a list of processors would.
"""

import functools
import json
import re
import time

import keras
import numpy as np
import tensorflow as tf


@functools.cache
def fastest() -> str:
    """The precision in which this machine multiplies matrices fastest: bfloat16 if at least 1.3 times as fast."""
    product = tf.function(lambda matrix: tf.linalg.matmul(matrix, matrix))
    matrix = tf.random.stateless_uniform((1024, 1024), seed=(0, 1))
    seconds = [_seconds(product, tf.cast(matrix, dtype)) for dtype in (tf.float32, tf.bfloat16)]
    return "mixed_bfloat16" if seconds[0] > 1.3 * seconds[1] else "float32"


def fastest_for(model: keras.Model, examples: np.ndarray) -> str:
    """The precision to run a float32 model in: bfloat16 if it is 1.2 times as fast and within 2 %, else float32.

    The 2 % are the norm of the outputs' difference over the norm of the float32 outputs; bfloat16 keeps 8 bits, so that
    single products are off by up to 0.4 %.
    """
    if fastest() == "float32":
        return "float32"
    inputs = tf.constant(examples, tf.float32)
    exact, quick = (
        tf.function(functools.partial(converted(model, precision), training=False))
        for precision in ("float32", "mixed_bfloat16")
    )
    outputs = exact(inputs)
    difference = tf.norm(tf.cast(quick(inputs), tf.float32) - outputs) / tf.norm(outputs)
    if difference > 0.02:
        return "float32"
    return "mixed_bfloat16" if _seconds(exact, inputs) > 1.2 * _seconds(quick, inputs) else "float32"


def converted(model: keras.Model, precision: str) -> keras.Model:
    """A copy of a model that computes in another precision, with Keras' own layers.

    A saved model should be in float32, which is quick enough on every machine.
    """
    policy = r'("class_name": "DTypePolicy", "config": {"name": )"[a-z0-9_]+"'
    config = re.sub(policy, rf'\g<1>"{precision}"', json.dumps(model.get_config()))
    copy = type(model).from_config(json.loads(config))
    copy.set_weights(model.get_weights())
    return copy


def _seconds(function, inputs) -> float:
    """The best of five trials, since other work on the machine only ever adds time."""
    trials = []
    for trial in range(6):  # the first one traces and warms up
        started = time.perf_counter()
        function(inputs).numpy()
        if trial:
            trials.append(time.perf_counter() - started)
    return min(trials)
