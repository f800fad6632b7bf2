"""Pretrained bodies, the stand-in, and the feature bank: what it computes, keeps and never reads by mistake."""

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.linear_model import LogisticRegression

from dlcourse import backbones, checkpoints, paths
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


@pytest.fixture(scope="module")
def small():
    """A quick body."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(6),
        ]
    )


def varied():
    return keras.Sequential([layers.RandomFlip("horizontal", seed=1), layers.RandomTranslation(0.2, 0.2, seed=2)])


def kept(cache):
    return sorted(path.name for path in (cache / "features").glob("*.npy"))


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


def test_the_stand_in_beats_its_own_random_weights():
    images, labels = pets.load(seed=5, count=600, image_size=64)
    scores = {}
    for weights in ("published", "random"):
        keras.utils.set_random_seed(0)
        maps = backbones.features(backbones.load(backbones.STAND_IN, 64, weights=weights).model, images)[0]
        pooled = maps.mean(axis=(1, 2), dtype=np.float64)
        pooled = (pooled - pooled.mean(axis=0)) / (pooled.std(axis=0) + 1e-9)
        model = LogisticRegression(max_iter=2000, C=0.1).fit(pooled[:400], labels[:400])
        scores[weights] = model.score(pooled[400:], labels[400:])
    assert scores["published"] > scores["random"] + 0.07  # 200 pictures: the interval reaches about 7 points


# Cutting


def test_a_body_is_cut_into_two_that_give_the_same(pictures):
    body = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3), alpha=0.35)
    lower, upper = backbones.split(body, "block_13_expand_relu")
    inputs = pictures[:4].astype("float32") / 127.5 - 1
    assert np.allclose(upper(lower(inputs)), body(inputs), atol=1e-5)


def test_what_the_upper_half_learns_is_learned_by_the_body(pictures):
    body = backbones.stand_in(32)
    lower, upper = backbones.split(body, body.layers[5].name)
    before = body.get_weights()[-1].copy()
    upper.layers[-2].bias.assign(np.arange(96))
    assert not np.array_equal(body.get_weights()[-1], before)
    assert len(lower.weights) + len(upper.weights) == len(body.weights)


@pytest.mark.parametrize(
    ("boundary", "message"),
    [("nowhere", "has no layer 'nowhere'"), ("block_2_expand", "cannot be cut at 'block_2_expand'")],
)
def test_a_wrong_cut_is_refused(boundary, message):
    body = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3), alpha=0.35)
    with pytest.raises(ValueError, match=message):
        backbones.split(body, boundary)


def test_a_model_joined_from_the_halves_can_be_saved(tmp_path, pictures):
    body = backbones.load(backbones.STAND_IN, 32).model
    inputs = keras.Input((32, 32, 3))
    outputs = layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(body(inputs)))
    checkpoints.save(
        keras.Model(inputs, outputs), tmp_path / "joined.h5", pictures[:4].astype("float32"), classes=["a", "b"],
        preprocessing="0 to 255", provenance={}, scores={},
    )  # fmt: skip
    checkpoints.load(tmp_path / "joined.h5")


# The bank


def test_features_are_those_of_the_model(small, pictures):
    bank = backbones.features(small, pictures, precision="float32", dtype="float32")
    assert bank.shape == (1, 70, 5, 5, 4)
    assert np.allclose(bank[0], small.predict(pictures.astype("float32"), verbose=0), atol=1e-5)


def test_bfloat16_stays_within_its_tolerance(small, pictures):
    exact, quick = (backbones.features(small, pictures, precision=p) for p in ("float32", "mixed_bfloat16"))
    assert not np.array_equal(exact, quick)
    assert np.linalg.norm(exact - quick) < 0.02 * np.linalg.norm(exact)
    assert backbones.faster_precision(small, pictures[:8]) in ("float32", "mixed_bfloat16")


def test_the_second_reading_computes_nothing(small, pictures, cache, monkeypatch):
    first = np.array(backbones.features(small, pictures, precision="float32"))
    monkeypatch.setattr(backbones, "_compiled", None)
    assert np.array_equal(backbones.features(small, pictures, precision="float32"), first)
    assert len(kept(cache)) == 1


def test_views_vary_and_repeat(small, pictures):
    bank = backbones.features(small, pictures, augment=varied(), views=2, precision="float32")
    assert bank.shape == (2, 70, 5, 5, 4)
    assert not np.array_equal(bank[0], bank[1])
    with pytest.raises(ValueError, match="views=2 needs augment"):
        backbones.features(small, pictures, views=2)


CHANGES = {
    "weights": lambda model, images: (changed(model), images, {}),
    "preprocessing": lambda model, images: (keras.Sequential([layers.Rescaling(0.5), *model.layers]), images, {}),
    "a pixel": lambda model, images: (
        model,
        np.where(np.arange(70)[:, None, None, None] == 69, 255 - images, images),
        {},
    ),
    "order": lambda model, images: (model, images[::-1], {}),
    "augmentation": lambda model, images: (model, images, {"augment": varied()}),
    "precision": lambda model, images: (model, images, {"precision": "mixed_bfloat16"}),
}


def changed(model):
    copy = keras.models.clone_model(model)
    weights = model.get_weights()
    weights[-1] = weights[-1] + 1e-3
    copy.set_weights(weights)
    return copy


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_computes_anew(small, pictures, cache, what):
    backbones.features(small, pictures, precision="float32")
    model, images, options = CHANGES[what](small, pictures)
    if not model.built:
        model.build((None, 32, 32, 3))
    backbones.features(model, images, **{"precision": "float32", **options})
    assert len(kept(cache)) == 2


def test_another_seed_or_number_of_views_computes_anew(small, pictures, cache):
    for options in ({"views": 1}, {"views": 2}, {"views": 2, "seed": 1}):
        backbones.features(small, pictures, augment=varied(), precision="float32", **options)
    assert len(kept(cache)) == 3


def test_a_bank_whose_making_was_killed_goes_on_and_is_the_same(small, cache, monkeypatch):
    images = np.random.default_rng(1).integers(0, 256, (32 * 25, 32, 32, 3), dtype=np.uint8)
    whole = np.array(backbones.features(small, images, augment=varied(), precision="float32"))
    (file,) = (cache / "features").glob("*.npy")
    file.unlink()
    compiled, calls = backbones._compiled, []

    def failing(model, augment):
        run = compiled(model, augment)

        def counted(batch):
            calls.append(len(batch))
            if len(calls) == 23:
                raise KeyboardInterrupt
            return run(batch)

        return counted

    monkeypatch.setattr(backbones, "_compiled", failing)
    with pytest.raises(KeyboardInterrupt):
        backbones.features(small, images, augment=varied(), precision="float32")
    assert not kept(cache)
    again = backbones.features(small, images, augment=varied(), precision="float32")
    assert len(calls) == 23 + 5  # twenty batches were on disk
    assert np.array_equal(again, whole)
    assert {path.suffix for path in (cache / "features").iterdir()} == {".npy", ".lock"}


def test_numbers_too_large_are_refused(pictures):
    large = keras.Sequential([keras.Input((32, 32, 3)), layers.Rescaling(1e6)])
    with pytest.raises(ValueError, match="need dtype='float32'"):
        backbones.features(large, pictures, precision="float32")
    assert backbones.features(large, pictures, precision="float32", dtype="float32").max() > 1e6


def test_the_cache_is_where_it_belongs(small, pictures):
    backbones.features(small, pictures, precision="float32")
    assert (paths.cache() / "features").is_dir()
