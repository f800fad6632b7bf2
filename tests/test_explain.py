"""Heat lies where a class was planted, word weights of a linear model are exact, every lesson's model can be asked."""

import keras
import numpy as np
import pytest
from keras import layers

from dlcourse import checkpoints, explain, paths


def finder(nested=False, squash="softmax"):
    """Says 1 the brighter the image; its maps are the image, so the heat must lie where the light is."""
    body = keras.Sequential([keras.Input((16, 16, 1)), layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones")])
    answer = layers.Dense(2 if squash == "softmax" else 1, activation=squash)
    head = [layers.GlobalAveragePooling2D(), answer]
    model = keras.Sequential([keras.Input((16, 16, 1)), *([body] if nested else body.layers), *head])
    model.build((None, 16, 16, 1))
    answer.set_weights([np.array([[-40.0, 40.0]] if squash == "softmax" else [[40.0]]), np.zeros(answer.units)])
    return model


def lit():
    """Three images with a light square in another corner each, and where it is"""
    images, square = np.zeros((3, 16, 16, 1), "float32"), np.zeros((3, 16, 16), bool)
    for number, (row, column) in enumerate(((0, 0), (0, 12), (12, 4))):
        images[number, row : row + 4, column : column + 4] = 1
        square[number, row : row + 4, column : column + 4] = True
    return images, square


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("squash", ["softmax", "sigmoid"])
def test_heat_lies_where_the_class_was_planted(nested, squash):
    images, square = lit()
    heat = explain.grad_cam(finder(nested, squash), images)
    assert (heat[square] > 0).all()
    assert heat[~square].max() == 0


def test_what_speaks_against_the_light_is_not_the_light():
    images, _ = lit()
    assert explain.grad_cam(finder(), images, classes=[0, 0, 0]).max() == 0
    assert explain.grad_cam(finder(squash="sigmoid"), images, classes=[0, 0, 0]).max() == 0


def test_a_certain_model_has_heat_too():
    model, (images, square) = finder(), lit()
    images *= 1000
    assert model.predict(images, verbose=0)[:, 1].min() == 1  # of which the probability has no slope any more
    assert (explain.grad_cam(model, images)[square] > 0).all()


def test_the_model_is_as_it_was_afterwards():
    model, (images, _) = finder(nested=True), lit()
    before = model.predict(images, verbose=0)
    explain.grad_cam(model, images)
    assert model.layers[-1].activation is keras.activations.softmax
    np.testing.assert_array_equal(model.predict(images, verbose=0), before)


def test_covering_the_light_costs_the_class():
    images, square = lit()
    heat = explain.occlusion(finder(), images, classes=[1, 1, 1], patch=4, stride=4)
    assert heat[square].min() > heat[~square].max()


def test_word_weights_of_a_linear_model_are_its_weights():
    model = keras.Sequential(
        [keras.Input((4,)), layers.Embedding(5, 3), layers.GlobalAveragePooling1D(), layers.Dense(1, "sigmoid")]
    )
    numbers = np.array([[1, 2, 3, 0], [4, 4, 0, 0]])
    vectors, weights = model.layers[0].get_weights()[0], model.layers[-1].get_weights()[0][:, 0]
    expected = vectors[numbers] @ weights / 4
    np.testing.assert_allclose(explain.word_weights(model, numbers), expected, rtol=1e-5)
    np.testing.assert_allclose(explain.word_weights(model, numbers, classes=[0, 0]), -expected, rtol=1e-5)


def test_what_cannot_be_explained_is_refused_in_a_line():
    reader = keras.Sequential([keras.Input((4,)), layers.Embedding(5, 3), layers.Flatten(), layers.Dense(2)])
    with pytest.raises(ValueError, match=r"has no layer that returns maps"):
        explain.last_maps(reader)
    with pytest.raises(ValueError, match=r"has no Embedding"):
        explain.word_weights(finder(), np.zeros((1, 16, 16, 1)))
    with pytest.raises(ValueError, match=r"expected images .*got an array of shape \(1, 4\)"):
        explain.grad_cam(reader, np.zeros((1, 4)))


def test_every_model_of_the_lessons_can_be_asked():
    for path in sorted(paths.models().glob("*.h5")):
        if path.name.endswith(".part.h5"):
            continue
        model, card = checkpoints.load(path)
        shape = [2, *card["input"]["shape"][1:]]
        if len(shape) == 4:
            heat = explain.grad_cam(model, np.random.default_rng(0).uniform(*card["input"]["range"], shape))
            assert heat.shape == tuple(shape[:3])
        elif card["input"]["dtype"].startswith("int"):
            heat = explain.word_weights(model, np.ones(shape, "int32"))
            assert heat.shape == tuple(shape)
        else:  # a generator's random numbers are no image and no text
            continue
        assert np.isfinite(heat).all(), path
