"""Loading and splitting images: shapes, splits, batches, and files that are not what they should be."""

import collections
import functools

import keras
import numpy as np
import pytest

from dlcourse import images

LOADERS = {"mnist": (images.load_digits, (28, 28)), "cifar10": (images.load_objects, (32, 32, 3))}
TRAIN, TEST = 240, 60


def numbered_arrays(shape, train=TRAIN, test=TEST):
    """Arrays as in the real files, in which an image's first two bytes are its index, so that it can be told apart."""

    def split(count):
        pictures = np.zeros((count, *shape), np.uint8)
        flat = pictures.reshape(count, np.prod(shape))
        flat[:, 0], flat[:, 1] = np.divmod(np.arange(count), 256)
        labels = (np.arange(count) % 10).astype(np.uint8)
        return pictures, labels.reshape(-1, 1) if len(shape) == 3 else labels  # CIFAR-10's labels are a column

    (x_train, y_train), (x_test, y_test) = split(train), split(test)
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Returns a function that writes arrays as a dataset's real file and returns its path."""
    monkeypatch.setenv("DLCOURSE_DATA", str(tmp_path / "real data"))

    def write(name, arrays):
        file = tmp_path / "real data" / name / f"{name}.npz"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, **arrays)
        return file

    return write


@functools.cache
def smoke_sample(name):
    return LOADERS[name][0](source="sample", seed=0, limit=300)


def indices(pictures):
    flat = pictures.reshape(len(pictures), -1).astype(int)
    return (flat[:, 0] * 256 + flat[:, 1]).tolist()


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("source", ["sample", "real"])
def test_shapes_and_types_are_the_same_from_either_source(store, name, source):
    loader, shape = LOADERS[name]
    store(name, numbered_arrays(shape))
    data = loader(source=source, seed=0)
    height, width, channels = (*shape, 1)[:3]
    for pictures, labels in (
        (data.x_train, data.y_train),
        (data.x_validation, data.y_validation),
        (data.x_test, data.y_test),
    ):
        assert pictures.shape == (len(labels), height, width, channels)
        assert pictures.dtype == np.uint8
        assert labels.shape == (len(pictures),)
        assert labels.dtype == np.int64
        assert set(labels.tolist()) == set(range(10))
    assert len(data.classes) == len(set(data.classes)) == 10
    assert (data.name, data.source) == (name, source)
    assert data.description


@pytest.mark.parametrize("name", LOADERS)
def test_the_sample_uses_the_whole_range_of_grey(name):
    pictures = smoke_sample(name).x_train
    assert pictures.min() < 30
    assert pictures.max() > 220


@pytest.mark.parametrize("name", LOADERS)
def test_no_image_is_in_two_splits_and_none_is_lost(store, name):
    loader, shape = LOADERS[name]
    store(name, numbered_arrays(shape))
    data = loader(source="real", seed=0)
    training, validation = indices(data.x_train), indices(data.x_validation)
    assert sorted(training + validation) == list(range(TRAIN))
    assert indices(data.x_test) == list(range(TEST))


@pytest.mark.parametrize("name", LOADERS)
def test_every_image_keeps_its_label(store, name):
    loader, shape = LOADERS[name]
    store(name, numbered_arrays(shape))
    data = loader(source="real", seed=4)
    assert [index % 10 for index in indices(data.x_train)] == data.y_train.tolist()
    assert [index % 10 for index in indices(data.x_validation)] == data.y_validation.tolist()
    assert [index % 10 for index in indices(data.x_test)] == data.y_test.tolist()


def test_validation_is_a_twelfth_with_the_same_share_of_every_class(store):
    store("mnist", numbered_arrays((28, 28), train=1200))
    data = images.load_digits(source="real", seed=0)
    assert collections.Counter(data.y_validation.tolist()) == dict.fromkeys(range(10), 10)


def test_the_seed_decides_which_images_validate_and_leaves_the_test_set_alone(store):
    store("mnist", numbered_arrays((28, 28)))
    one, again, other = (images.load_digits(source="real", seed=seed) for seed in (1, 1, 2))
    assert indices(one.x_validation) == indices(again.x_validation)
    assert indices(one.x_train) == indices(again.x_train)
    assert set(indices(one.x_validation)) != set(indices(other.x_validation))
    assert indices(one.x_test) == indices(other.x_test)


@pytest.mark.parametrize("source", ["sample", "real"])
def test_a_limit_shortens_every_split_and_keeps_them_apart(store, source):
    store("mnist", numbered_arrays((28, 28)))
    data = images.load_digits(source=source, seed=0, limit=15)
    assert len(data.x_train) == len(data.x_validation) == len(data.x_test) == 15
    assert len(data.y_train) == len(data.y_validation) == len(data.y_test) == 15
    if source == "real":
        assert not set(indices(data.x_train)) & set(indices(data.x_validation))


def test_a_limit_above_the_size_changes_nothing(store):
    store("mnist", numbered_arrays((28, 28)))
    data = images.load_digits(source="real", seed=0, limit=10_000)
    assert len(data.x_train) + len(data.x_validation) == TRAIN


@pytest.mark.parametrize("name", LOADERS)
def test_the_limit_of_a_smoke_run_leaves_every_class_in_every_split(name):
    data = smoke_sample(name)
    for labels in (data.y_train, data.y_validation, data.y_test):
        assert set(labels.tolist()) == set(range(10))


@pytest.mark.parametrize("name", LOADERS)
def test_the_sample_is_the_same_every_time(name):
    one, two = smoke_sample(name), LOADERS[name][0](source="sample", seed=0, limit=300)
    np.testing.assert_array_equal(one.x_train, two.x_train)
    np.testing.assert_array_equal(one.x_test, two.x_test)


def test_no_sample_test_image_stands_in_training():
    data = images.load_digits(source="sample", seed=0)
    train = {picture.tobytes() for picture in np.concatenate([data.x_train, data.x_validation])}
    assert not train & {picture.tobytes() for picture in data.x_test}


def damaged(kind):
    arrays = numbered_arrays((28, 28))
    if kind == "a missing array":
        del arrays["y_test"]
    elif kind == "colour images":
        arrays = numbered_arrays((28, 28, 3))
    elif kind == "floats":
        arrays["x_train"] = arrays["x_train"].astype("float32")
    elif kind == "a label too few":
        arrays["y_train"] = arrays["y_train"][:-1]
    elif kind == "a label too high":
        arrays["y_test"][0] = 10
    elif kind == "a class missing":
        arrays["y_test"][arrays["y_test"] == 3] = 4
    elif kind == "a pickled array":
        arrays["y_train"] = arrays["y_train"].astype(object)
    elif kind == "a single number":
        arrays["x_train"] = np.uint8(3)
    elif kind == "no images":
        arrays = numbered_arrays((28, 28), train=0, test=0)
    return arrays


@pytest.mark.parametrize(
    ("kind", "explanation"),
    [
        ("a missing array", "not a readable archive of x_train, y_train, x_test, y_test"),
        ("a pickled array", "not a readable archive"),
        ("colour images", r"expected uint8 images \(n, 28, 28\) with a label each; got uint8 \(240, 28, 28, 3\)"),
        ("floats", r"expected uint8 images .* got float32 \(240, 28, 28\)"),
        ("a label too few", "with 239 labels"),
        ("a single number", r"got uint8 \(\) with 240 labels"),
        ("a label too high", "expected labels 0 to 9; got"),
        ("a class missing", "expected labels 0 to 9; got"),
        ("no images", "expected labels 0 to 9; got"),
    ],
)
def test_a_file_with_the_wrong_content_is_explained(store, kind, explanation):
    file = store("mnist", damaged(kind))
    with pytest.raises(ValueError, match=explanation) as raised:
        images.load_digits(source="real", seed=0)
    assert str(file) in str(raised.value)
    assert "`python -m dlcourse data verify mnist`" in str(raised.value)


@pytest.mark.parametrize("kind", ["cut short", "empty", "garbage", "a web page", "a bit turned"])
def test_a_damaged_file_is_explained(store, kind):
    file = store("cifar10", numbered_arrays((32, 32, 3)))
    content = bytearray(file.read_bytes())
    if kind == "a bit turned":
        content[len(content) // 2] ^= 1
    file.write_bytes(
        {
            "cut short": content[: len(content) // 2],
            "empty": b"",
            "garbage": b"\x93garbage" * 100,
            "a web page": b"<html><body>404</body></html>",
            "a bit turned": content,
        }[kind]
    )
    with pytest.raises(ValueError, match="is not a readable archive of") as raised:
        images.load_objects(source="real", seed=0)
    assert str(file) in str(raised.value)
    assert "data verify cifar10" in str(raised.value)


def test_the_real_files_missing_name_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("DLCOURSE_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="`make data`"):
        images.load_objects(source="real", seed=0)


def as_float(pictures, random):
    return pictures.astype("float32") / 255


def batches(**changed):
    arrays = numbered_arrays((28, 28), train=70)
    arguments = {"batch_size": 16, "prepare": as_float, "seed": 0} | changed
    return images.Batches(arrays["x_train"], arrays["y_train"], **arguments)


def identify(prepared):
    return indices(np.rint(prepared * 255))


def test_an_epoch_is_made_of_full_batches_without_repeats():
    drawn = [batches()[index] for index in range(len(batches()))]
    assert [len(labels) for _, labels in drawn] == [16, 16, 16, 16]
    seen = [index for prepared, _ in drawn for index in identify(prepared)]
    assert len(set(seen)) == 64


def test_a_batch_keeps_images_and_labels_together():
    prepared, labels = batches()[2]
    assert [index % 10 for index in identify(prepared)] == labels.tolist()


def test_another_epoch_comes_in_another_order_and_leaves_out_others():
    data = batches()
    first = [index for batch in range(len(data)) for index in identify(data[batch][0])]
    data.on_epoch_end()
    second = [index for batch in range(len(data)) for index in identify(data[batch][0])]
    assert first != second
    assert set(first) != set(second)


def test_the_same_seed_draws_the_same_batches_and_the_same_augmentation():
    def noisy(pictures, random):
        return random.normal(size=len(pictures)) + pictures[:, 0, 0]

    for seed, equal in ((0, True), (1, False)):
        one, other = batches(prepare=noisy), batches(prepare=noisy, seed=seed)
        for _ in range(2):
            assert all(np.array_equal(one[batch][0], other[batch][0]) for batch in range(len(one))) == equal
            one.on_epoch_end()
            other.on_epoch_end()


def test_the_images_themselves_stay_as_they_are():
    def destroy(pictures, random):
        pictures[:] = 0
        return pictures

    data = batches(prepare=destroy)
    before = data.images.copy()
    data[0]
    np.testing.assert_array_equal(data.images, before)


def test_a_batch_larger_than_the_data_is_all_of_it():
    data = batches(batch_size=1000)
    assert len(data) == 1
    assert len(data[0][1]) == 70


def test_fit_accepts_the_batches():
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10)])
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(batches(), epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()


@pytest.mark.real_data
def test_real_mnist_is_split_as_documented(real_data):
    data = images.load_digits(source="real", seed=0)
    assert (len(data.x_train), len(data.x_validation), len(data.x_test)) == (55_000, 5_000, 10_000)
    assert data.description == "MNIST, 60,000 + 10,000 digits of 28x28"


@pytest.mark.real_data
def test_real_cifar10_is_split_as_documented(real_data):
    data = images.load_objects(source="real", seed=0)
    assert (len(data.x_train), len(data.x_validation), len(data.x_test)) == (45_833, 4_167, 10_000)
    assert data.classes[:3] == ("airplane", "automobile", "bird")
    assert data.x_test.shape[1:] == (32, 32, 3)
