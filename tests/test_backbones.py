"""Pretrained bodies, the stand-in, and cutting them in two."""

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.linear_model import LogisticRegression

from dlcourse import backbones, checkpoints, evaluation, feature_bank
from dlcourse.samples import pets


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DLCOURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("DLCOURSE_DATA", str(tmp_path / "data"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (70, 32, 32, 3), dtype=np.uint8)


# Bodies


@pytest.mark.parametrize(
    ("name", "application"),
    [
        ("vgg16", "vgg16"),
        ("mobilenetv2_035", "mobilenet_v2"),
        ("resnet50v2", "resnet_v2"),
        ("efficientnetb0", "efficientnet"),
    ],
)
def test_each_body_has_the_preprocessing_it_was_trained_with(name, application, pictures):
    if name in ("vgg16", "resnet50v2"):
        pictures = pictures[:2]
    backbone = backbones.load(name, 32, weights="random")
    body = backbone.model.layers[-1]
    prepared = getattr(keras.applications, application).preprocess_input(pictures.astype("float32"))
    expected = body.predict(prepared, verbose=0)
    assert np.allclose(backbone.model.predict(pictures.astype("float32"), verbose=0), expected, rtol=1e-3, atol=1e-4)


def test_a_loaded_backbone_is_frozen():
    model = backbones.load(backbones.STAND_IN, 32).model
    assert not model.trainable_weights
    assert model.count_params() < 250_000


def test_the_stand_in_ships_with_the_package_and_is_small():
    file = backbones.weights_file(backbones.STAND_IN)
    assert file.stat().st_size < 1_000_000
    assert backbones.load(backbones.STAND_IN, 64).weights == "stand-in, pretrained on drawn shapes"


def test_auto_is_the_lessons_own_network_where_its_weights_are(tmp_path):
    assert backbones.choose("auto", own="mobilenetv2_035") == backbones.STAND_IN
    assert backbones.choose("vgg16", own="mobilenetv2_035") == "vgg16"
    folder = tmp_path / "data" / "weights"
    folder.mkdir(parents=True)
    body = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3), alpha=0.35)
    file = folder / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    body.save_weights(tmp_path / "x.weights.h5")
    (tmp_path / "x.weights.h5").rename(file)
    assert backbones.choose("auto", own="mobilenetv2_035") == "mobilenetv2_035"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: backbones.choose("vgg19", own="vgg16"), "backbone must be auto or one of"),
        (lambda: backbones.load("auto", 32), "backbone must be one of"),
        (lambda: backbones.load("vgg16", 32, weights="imagenet"), "weights must be published or random"),
    ],
)
def test_an_unknown_name_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_missing_weights_say_what_to_do():
    with pytest.raises(FileNotFoundError, match=r"vgg16 needs vgg16_weights.*make data.*backbone='stand-in'"):
        backbones.load("vgg16", 32)


def test_weights_of_another_network_are_refused(tmp_path):
    folder = tmp_path / "data" / "weights"
    folder.mkdir(parents=True)
    (folder / "efficientnetb0_notop.h5").write_bytes(backbones.weights_file(backbones.STAND_IN).read_bytes())
    with pytest.raises(ValueError, match="does not hold weights of efficientnetb0"):
        backbones.load("efficientnetb0", 32)


@pytest.fixture(scope="module")
def drawn():
    return pets.load(seed=5, count=600, image_size=64)


def probed(drawn, weights="published", precision="float32"):
    """Whether a linear model on the stand-in's features is right, (200,)."""
    images, labels = drawn
    keras.utils.set_random_seed(0)
    body = backbones.load(backbones.STAND_IN, 64, weights=weights).model
    pooled = feature_bank.features(body, images, precision=precision)[0].mean(axis=(1, 2), dtype=np.float64)
    pooled = (pooled - pooled.mean(axis=0)) / (pooled.std(axis=0) + 1e-9)
    model = LogisticRegression(max_iter=2000, C=0.1).fit(pooled[:400], labels[:400])
    return model.predict(pooled[400:]) == labels[400:]


def test_the_stand_in_beats_its_own_random_weights(drawn):
    # 200 pictures: the interval reaches about 7 points.
    assert probed(drawn).mean() > probed(drawn, weights="random").mean() + 0.07


def test_features_in_bfloat16_give_the_same_score_within_its_interval(drawn):
    exact, quick = probed(drawn), probed(drawn, precision="mixed_bfloat16")
    gain = evaluation.difference(lambda _, right: right.mean(), np.ones(200), exact, quick)
    assert gain.low <= 0 <= gain.high
    assert abs(gain.value) < 0.02


# Cutting


def test_a_body_is_cut_into_two_that_give_the_same(pictures):
    backbone = backbones.load("mobilenetv2_035", 32, weights="random")
    lower, upper = backbones.split(backbone.model, backbone.boundary)
    inputs = pictures[:4].astype("float32")
    assert np.allclose(upper(lower(inputs)), backbone.model(inputs), atol=1e-5)


def test_what_the_upper_half_learns_is_learned_by_the_body(pictures):
    model = backbones.load(backbones.STAND_IN, 32).model
    lower, upper = backbones.split(model, "block3_pool")
    before = model.get_weights()[-1].copy()
    assert not upper.trainable_weights
    upper.trainable = True
    assert len(upper.trainable_weights) == 4
    upper.layers[-2].bias.assign(np.arange(96))
    assert not np.array_equal(model.get_weights()[-1], before)
    assert len(lower.weights) + len(upper.weights) == len(model.weights)


@pytest.mark.parametrize("name", ["vgg16", "resnet50v2", "mobilenetv2_035", "efficientnetb0", "stand-in"])
def test_every_body_has_the_layer_it_is_customarily_cut_at(name):
    backbone = backbones.load(name, 32, weights="random")
    lower, upper = backbones.split(backbone.model, backbone.boundary)
    assert upper.input_shape == lower.output_shape
    assert upper.output_shape == backbone.model.output_shape


@pytest.mark.parametrize(
    ("boundary", "message"),
    [("nowhere", "has no layer 'nowhere'"), ("block_2_expand", "cannot be cut at 'block_2_expand'")],
)
def test_a_wrong_cut_is_refused(boundary, message):
    model = backbones.load("mobilenetv2_035", 32, weights="random").model
    with pytest.raises(ValueError, match=message):
        backbones.split(model, boundary)


def test_a_model_joined_from_the_halves_can_be_saved(tmp_path, pictures):
    body = backbones.load(backbones.STAND_IN, 32).model
    inputs = keras.Input((32, 32, 3))
    outputs = layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(body(inputs)))
    checkpoints.save(
        keras.Model(inputs, outputs), tmp_path / "joined.h5", pictures[:4].astype("float32"), classes=["a", "b"],
        preprocessing="0 to 255", provenance={}, scores={},
    )  # fmt: skip
    checkpoints.load(tmp_path / "joined.h5")
