"""Choosing a precision by measurement, and converting a model to it."""

import random

import keras
import numpy as np
import pytest

from dlcourse import precisions, training


def drawn():
    """A number from each generator that a measurement might move on."""
    return [random.random(), np.random.random(), float(keras.random.uniform(()))]


def pictures():
    return keras.ops.convert_to_tensor(np.random.default_rng(0).normal(3, 2, (4, 6, 5, 3)).astype("float32"))


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


def test_the_fastest_precision_is_a_policy_that_keras_knows():
    assert precisions.fastest() in ("float32", "mixed_bfloat16")
    keras.dtype_policies.get(precisions.fastest())


def test_the_fastest_precision_is_measured_once():
    precisions.fastest()
    before = precisions.fastest.cache_info().misses
    precisions.fastest()
    assert precisions.fastest.cache_info().misses == before


def test_measuring_the_precision_changes_neither_the_policy_nor_the_random_numbers():
    keras.utils.set_random_seed(1)
    expected = drawn()
    keras.utils.set_random_seed(1)
    policy = keras.config.dtype_policy().name
    precisions.fastest.cache_clear()
    precisions.fastest()
    assert keras.config.dtype_policy().name == policy
    assert drawn() == expected


@pytest.mark.parametrize("kind", [keras.layers.BatchNormalization, training.BatchNormalization])
def test_a_model_trained_in_mixed_precision_computes_in_float32_afterwards(kind):
    mixed = small_network(kind, dtype="mixed_bfloat16")
    mixed.compile(loss="categorical_crossentropy")
    mixed.fit(pictures(), keras.utils.to_categorical([0, 1, 0, 1]), verbose=0)
    plain = precisions.converted(mixed, "float32")
    assert {layer.compute_dtype for layer in plain.layers} == {"float32"}
    assert type(plain.layers[1]) is keras.layers.BatchNormalization
    for ours, theirs in zip(plain.get_weights(), mixed.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    difference = plain.predict(pictures(), verbose=0) - mixed.predict(pictures(), verbose=0)
    assert 0 < np.abs(difference).max() < 0.02  # bfloat16 rounds, so equal would mean that nothing was changed


def test_the_policy_of_the_process_changes_neither_by_the_copy_nor_the_copy_by_it():
    before = keras.config.dtype_policy().name
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        plain = precisions.converted(small_network(), "float32")
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        assert {layer.compute_dtype for layer in plain.layers} == {"float32"}
    finally:
        keras.config.set_dtype_policy(before)
