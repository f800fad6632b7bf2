"""The feature bank: what it computes, keeps and never reads by mistake."""

import keras
import numpy as np
import pytest
from keras import layers

from dlcourse import feature_bank, paths, precisions


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


def test_features_are_those_of_the_model(small, pictures):
    bank = feature_bank.features(small, pictures, precision="float32", dtype="float32")
    assert bank.shape == (1, 70, 5, 5, 4)
    assert np.allclose(bank[0], small.predict(pictures.astype("float32"), verbose=0), atol=1e-5)


def test_bfloat16_stays_within_its_tolerance(small, pictures):
    exact, quick = (feature_bank.features(small, pictures, precision=p) for p in ("float32", "mixed_bfloat16"))
    assert not np.array_equal(exact, quick)
    assert np.linalg.norm(exact - quick) < 0.02 * np.linalg.norm(exact)
    assert precisions.fastest_for(small, pictures[:8]) in ("float32", "mixed_bfloat16")


def test_the_second_reading_computes_nothing(small, pictures, cache, monkeypatch):
    first = np.array(feature_bank.features(small, pictures, precision="float32"))
    monkeypatch.setattr(feature_bank, "_compiled", None)
    assert np.array_equal(feature_bank.features(small, pictures, precision="float32"), first)
    assert len(kept(cache)) == 1


def test_views_vary_and_repeat(small, pictures):
    bank = feature_bank.features(small, pictures, augment=varied(), views=2, precision="float32")
    assert bank.shape == (2, 70, 5, 5, 4)
    assert not np.array_equal(bank[0], bank[1])
    with pytest.raises(ValueError, match="views=2 needs augment"):
        feature_bank.features(small, pictures, views=2)


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
    feature_bank.features(small, pictures, precision="float32")
    model, images, options = CHANGES[what](small, pictures)
    if not model.built:
        model.build((None, 32, 32, 3))
    feature_bank.features(model, images, **{"precision": "float32", **options})
    assert len(kept(cache)) == 2


def test_another_seed_or_number_of_views_computes_anew(small, pictures, cache):
    for options in ({"views": 1}, {"views": 2}, {"views": 2, "seed": 1}):
        feature_bank.features(small, pictures, augment=varied(), precision="float32", **options)
    assert len(kept(cache)) == 3


def test_a_bank_whose_making_was_killed_goes_on_and_is_the_same(small, cache, monkeypatch):
    images = np.random.default_rng(1).integers(0, 256, (32 * 25, 32, 32, 3), dtype=np.uint8)
    whole = np.array(feature_bank.features(small, images, augment=varied(), precision="float32"))
    (file,) = (cache / "features").glob("*.npy")
    file.unlink()
    compiled, calls = feature_bank._compiled, []

    def failing(model, augment):
        run = compiled(model, augment)

        def counted(batch):
            calls.append(len(batch))
            if len(calls) == 23:
                raise KeyboardInterrupt
            return run(batch)

        return counted

    monkeypatch.setattr(feature_bank, "_compiled", failing)
    with pytest.raises(KeyboardInterrupt):
        feature_bank.features(small, images, augment=varied(), precision="float32")
    assert not kept(cache)
    again = feature_bank.features(small, images, augment=varied(), precision="float32")
    assert len(calls) == 23 + 5  # twenty batches were on disk
    assert np.array_equal(again, whole)
    assert {path.suffix for path in (cache / "features").iterdir()} == {".npy", ".lock"}


def test_numbers_too_large_are_refused_and_leave_nothing(pictures, cache):
    large = keras.Sequential([keras.Input((32, 32, 3)), layers.Rescaling(1e6)])
    with pytest.raises(ValueError, match="need dtype='float32'"):
        feature_bank.features(large, pictures, precision="float32")
    assert not [path for path in (cache / "features").iterdir() if path.suffix != ".lock"]
    assert feature_bank.features(large, pictures, precision="float32", dtype="float32").max() > 1e6


def test_the_cache_is_where_it_belongs(small, pictures):
    feature_bank.features(small, pictures, precision="float32")
    assert (paths.cache() / "features").is_dir()


# Batches


@pytest.fixture
def numbered():
    """A bank of two views and seven rows whose numbers say which they are: 10 * view + row."""
    return (10 * np.arange(2)[:, None, None] + np.arange(7)[None, :, None]).astype("float16")


def test_every_epoch_takes_each_row_once_from_the_next_view(numbered):
    batches = feature_bank.Batches(numbered, np.arange(7), 3, seed=0)
    orders = []
    for view in (0, 1, 0):
        drawn = [batches[number] for number in range(len(batches))]
        assert [len(labels) for _, labels in drawn] == [3, 3, 1]
        rows = np.concatenate([features for features, _ in drawn]).ravel()
        labels = np.concatenate([labels for _, labels in drawn])
        assert rows.dtype == np.float32
        assert rows.tolist() == (10 * view + labels).tolist()
        assert sorted(labels) == list(range(7))
        orders.append(labels.tolist())
        batches.on_epoch_end()
    assert orders[0] != orders[2]


def test_views_may_come_as_a_list():
    views = [np.zeros((5, 2), "float16"), np.ones((5, 2), "float16")]
    batches = feature_bank.Batches(views, np.arange(5), 2, seed=0)
    assert [batches[0][0].max(), len(batches)] == [0, 3]
    batches.on_epoch_end()
    assert batches[0][0].min() == 1


def test_balanced_batches_draw_a_rare_class_as_often():
    labels = np.repeat([0, 1], [90, 910])
    batches = feature_bank.Batches(np.zeros((1, 1000, 1)), labels, 1000, seed=0, balanced=True)
    assert abs(batches[0][1].mean() - 0.5) < 0.05


def test_batches_refuse_labels_that_do_not_fit(numbered):
    with pytest.raises(ValueError, match=r"a label for each row of each view; got \[7, 7\] rows, labels \(6,\)"):
        feature_bank.Batches(numbered, np.arange(6), 3, seed=0)
    with pytest.raises(ValueError, match=r"got \[7, 6\] rows"):
        feature_bank.Batches([numbered[0], numbered[1][:6]], np.arange(7), 3, seed=0)
