"""Images on disk: names, patients, splits, bad files, the memory map of pixels, and batches."""

import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dlcourse import decoding, image_files, paths
from dlcourse.samples import pets, radiographs

RADIOGRAPHS = {
    "train/NORMAL": [f"IM-{p:04}-0001.jpeg" for p in range(24)]
    + ["NORMAL2-IM-0003-0001.jpeg", "IM-0003-0002-0001.jpeg"],
    "train/PNEUMONIA": [f"person{p}_{kind}_{p}.jpeg" for p in range(24) for kind in ("bacteria", "virus")],
    "test/NORMAL": ["IM-0100-0001.jpeg", "IM-0101-0001.jpeg"],
    "test/PNEUMONIA": ["person200_bacteria_1.jpeg", "person200_virus_2_1.jpeg"],
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of real data to fill, with a cache of its own."""
    monkeypatch.setenv("DLCOURSE_DATA", str(tmp_path / "real data"))
    monkeypatch.setenv("DLCOURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "real data"


def draw(file, value=128, mode="RGB", size=(20, 12)):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode in ("L", "I;16") else None).save(file)
    return file


@pytest.fixture
def chest(folder):
    for part, names in RADIOGRAPHS.items():
        for name in names:
            draw(folder / "chest_xray" / part / name)
    return folder / "chest_xray"


@pytest.fixture
def small_samples(monkeypatch, tmp_path):
    monkeypatch.setenv("DLCOURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(radiographs, "load", lambda load=radiographs.load: load(train=40, test=20, image_size=32))
    monkeypatch.setattr(pets, "load", lambda load=pets.load: load(count=120, image_size=32))


def splits_of(files):
    return {split: set(files.part(split)["patient"]) for split in image_files.SPLITS}


# Radiographs


@pytest.mark.parametrize("seed", range(3))
def test_a_patient_is_in_one_split_only(chest, seed):
    train, validation, test = splits_of(image_files.load_radiographs(source="real", seed=seed)).values()
    assert train
    assert validation
    assert test == {"IM-0100", "IM-0101", "person200 bacteria", "person200 virus"}
    assert not train & validation
    assert not (train | validation) & test


def test_a_person_with_both_kinds_stays_together(chest):
    train, validation, _ = splits_of(image_files.load_radiographs(source="real", seed=0)).values()
    people = [{patient.split()[0] for patient in part} for part in (train, validation)]
    assert not people[0] & people[1]


def test_numbers_restart_for_each_kind_of_name(chest):
    patients = image_files.load_radiographs(source="real", seed=0).table["patient"]
    assert {"IM-0003", "NORMAL2-IM-0003", "person3 bacteria", "person3 virus"} <= set(patients)
    assert (patients == "IM-0003").sum() == 2


def test_two_kinds_or_three(chest):
    two = image_files.load_radiographs(source="real", seed=0)
    three = image_files.load_radiographs(source="real", seed=0, kinds=3)
    assert two.classes == ("normal", "pneumonia")
    assert three.classes == ("normal", "bacterial", "viral")
    assert np.bincount(two.table["label"]).tolist() == [28, 50]
    assert np.bincount(three.table["label"]).tolist() == [28, 25, 25]
    with pytest.raises(ValueError, match="kinds must be 2"):
        image_files.load_radiographs(source="real", seed=0, kinds=4)


def test_two_and_three_kinds_share_their_splits(chest):
    two, three = (image_files.load_radiographs(source="real", seed=1, kinds=kinds).table for kinds in (2, 3))
    assert (two["file"] == three["file"]).all()
    assert (two["split"] == three["split"]).all()
    assert (two["label"] == (three["label"] > 0)).all()


@pytest.mark.parametrize("name", ["IM-0001-0009.jpeg", "person.jpeg", "cat.1.jpg"])
def test_a_name_that_contradicts_its_folder_is_named(chest, name):
    draw(chest / "train/PNEUMONIA" / name)
    with pytest.raises(ValueError, match=f"1 files whose names are unknown or contradict their folder: {name}"):
        image_files.load_radiographs(source="real", seed=0)


def test_the_guard_refuses_a_shared_patient():
    table = pd.DataFrame({"patient": ["a", "a", "b"], "split": ["train", "test", "test"]})
    with pytest.raises(ValueError, match="1 patients stand in more than one split, such as a"):
        image_files.check_disjoint(table)


def test_an_empty_folder_is_named(chest):
    for file in (chest / "test/NORMAL").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match="NORMAL holds no"):
        image_files.load_radiographs(source="real", seed=0)


def test_the_real_radiographs_are_those_published(real_data):
    if not (real_data / "chest_xray").exists():
        pytest.skip("needs real data: chest_xray")
    files = image_files.load_radiographs(source="real", seed=0, kinds=3)
    published = files.table["file"].map(lambda file: file.parts[-3])
    counts = pd.crosstab(published, files.table["label"]).loc[["train", "test"]]
    assert counts.to_numpy().tolist() == [[1341, 2530, 1345], [234, 242, 148]]
    assert not splits_of(files)["test"] & (splits_of(files)["train"] | splits_of(files)["validation"])
    shares = files.part("validation")["label"].value_counts(normalize=True).sort_index()
    assert shares.tolist() == pytest.approx([0.257, 0.485, 0.258], abs=0.02)
    assert 0.10 < len(files.part("validation")) / 5216 < 0.15


# Cats and dogs


@pytest.fixture
def animals(folder):
    for animal in pets.CLASSES:
        for number in range(60):
            draw(folder / "cats_dogs" / animal / f"{animal}.{number}.jpg")
    return folder / "cats_dogs"


def test_the_test_set_of_pets_does_not_depend_on_the_seed(animals):
    one, other = (image_files.load_pets(source="real", seed=seed) for seed in (0, 1))
    assert splits_of(one)["test"] == splits_of(other)["test"]
    assert splits_of(one)["validation"] != splits_of(other)["validation"]
    assert 0.1 < len(one.part("test")) / 120 < 0.3


def test_a_dog_among_the_cats_is_named(animals):
    draw(animals / "cat" / "dog.7.jpg")
    with pytest.raises(ValueError, match=r"1 files that contradict their folder: dog\.7\.jpg"):
        image_files.load_pets(source="real", seed=0)


def test_missing_data_is_an_error_only_where_real_data_was_asked_for(folder, small_samples):
    assert image_files.load_pets(source="auto", seed=0).source == "sample"
    with pytest.raises(FileNotFoundError, match="make data"):
        image_files.load_pets(source="real", seed=0)


@pytest.mark.parametrize("load", [image_files.load_pets, image_files.load_radiographs])
def test_the_drawn_ones_come_in_the_same_form(small_samples, load):
    files = load(source="sample", seed=0)
    assert files.source == "sample"
    assert "drawn" in files.description
    assert set(files.table.columns) == {"file", "label", "patient", "split"}
    assert all(len(files.part(split)) for split in image_files.SPLITS)
    assert decoding.pixels(files.part("test")["file"], 16).shape[1:] == (16, 16, 3)


def test_a_limit_shortens_every_split(small_samples):
    files = image_files.load_pets(source="sample", seed=0, limit=5)
    assert files.table["split"].value_counts().tolist() == [5, 5, 5]
    assert files.table["label"].nunique() == 2


# Bad files


BAD = {
    "sixteen.png": lambda file: draw(file, 30000, "I;16"),
    "palette.png": lambda file: draw(file, mode="P"),
    "print.jpg": lambda file: draw(file, mode="CMYK"),
    "empty.jpg": lambda file: file.write_bytes(b""),
    "text.jpg": lambda file: file.write_text("not a picture"),
    "endless.png": lambda file: file.write_bytes(draw(file).read_bytes()[:-8]),
    "half.jpg": lambda file: file.write_bytes(draw(file, size=(200, 200)).read_bytes()[:700]),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_and_nothing_is_kept(folder, name):
    folder.mkdir()
    good, bad = draw(folder / "good.jpg"), folder / name
    BAD[name](bad)
    assert decoding.problems([good, bad]).index.tolist() == [1]
    with pytest.raises(ValueError, match=f"1 of 2 image files cannot be used: {name}"):
        decoding.pixels([good, bad], 8)
    assert not list((paths.cache() / "pixels").iterdir())


def test_bad_files_can_be_dropped(folder):
    folder.mkdir()
    for name, make in BAD.items():
        make(folder / name)
    good = draw(folder / "good.jpg")
    table = pd.DataFrame({"file": [*(folder / name for name in BAD), good]})
    kept = table.drop(decoding.problems(table["file"]).index)
    assert kept["file"].tolist() == [good]
    assert len(decoding.pixels(kept["file"], 8)) == 1


# Pixels and batches


def test_pixels_are_those_of_the_file(folder):
    picture = np.zeros((16, 32, 3), np.uint8)
    picture[:, 16:] = (255, 128, 0)
    folder.mkdir()
    Image.fromarray(picture).save(folder / "two.png")
    (colour,) = decoding.pixels([folder / "two.png"], 8)
    assert colour.shape == (8, 8, 3)
    assert colour[:, 0].tolist() == [[0, 0, 0]] * 8
    assert colour[:, -1].tolist() == [[255, 128, 0]] * 8
    (grey,) = decoding.pixels([folder / "two.png"], 8, channels=1)
    assert grey.shape == (8, 8, 1)
    with pytest.raises(ValueError, match="channels must be 1"):
        decoding.pixels([folder / "two.png"], 8, channels=4)


@pytest.mark.parametrize("shape", [(20, 200), (10, 200), (24, 200), (200, 20), (100, 400)])
@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_fine_stripes_become_grey_wherever_a_side_shrinks(folder, shape, kind):
    folder.mkdir()
    stripes = np.indices(shape)[np.argmax(shape)] % 8 < 4
    Image.fromarray(np.uint8(200 * stripes)).save(folder / f"stripes.{kind}", quality=95)
    pixels = decoding.pixels([folder / f"stripes.{kind}"], 20, channels=1)
    assert abs(pixels.astype(int) - 100).max() <= 30  # averages of ten; picked out singly, they would be 0 or 200
    assert abs(pixels.mean() - 100) < 2


@pytest.mark.parametrize("size", [(100, 200), (30, 60)], ids=["decoded at a part of its size", "decoded in full"])
def test_pixels_of_a_photograph_are_those_of_the_file(folder, size):
    folder.mkdir()
    picture = np.zeros((*size, 3), np.uint8)
    picture[:, size[1] // 2 :] = (255, 128, 0)
    Image.fromarray(picture).save(folder / "two.jpeg", quality=95, subsampling=0)
    (pixels,) = decoding.pixels([folder / "two.jpeg"], 20).astype(int)
    assert abs(pixels[:, 2] - [0, 0, 0]).max() < 8
    assert abs(pixels[:, -3] - [255, 128, 0]).max() < 8


def test_pixels_are_decoded_once_and_again_when_a_file_changes(folder):
    file = draw(folder / "one.png", 10, "L")
    assert decoding.pixels([file], 8)[0, 0, 0].tolist() == [10, 10, 10]
    kept = {path: path.stat().st_mtime_ns for path in (paths.cache() / "pixels").iterdir()}
    decoding.pixels([file], 8)
    assert {path: path.stat().st_mtime_ns for path in (paths.cache() / "pixels").iterdir()} == kept
    draw(file, 200, "L", size=(21, 12))
    assert decoding.pixels([file], 8)[0, 0, 0].tolist() == [200, 200, 200]


def test_pixels_that_could_not_be_written_are_not_kept(folder, monkeypatch):
    file = draw(folder / "one.png", 10, "L")
    monkeypatch.setattr(os, "pwrite", lambda handle, pixels, at: 0)
    with pytest.raises(OSError, match="is the disk full"):
        decoding.pixels([file], 8)
    assert not list((paths.cache() / "pixels").iterdir())


def test_another_decoder_decodes_anew(folder, monkeypatch):
    file = draw(folder / "one.png", 10, "L")
    decoding.pixels([file], 8)
    monkeypatch.setattr(decoding, "_DECODER", "another version")
    decoding.pixels([file], 8)
    assert len(list((paths.cache() / "pixels").iterdir())) == 2


@pytest.fixture
def numbered():
    """Thirty images whose pixels are their number; ten of class 1."""
    images = np.broadcast_to(np.arange(30, dtype=np.uint8)[:, None, None, None], (30, 4, 4, 3))
    return images, (np.arange(30) < 10).astype(np.int64)


def drawn_numbers(dataset):
    return [int(image[0, 0, 0]) for images, _ in dataset.as_numpy_iterator() for image in images]


def test_batches_keep_the_order_without_a_seed(numbered):
    dataset = decoding.batches(*numbered, 8)
    assert drawn_numbers(dataset) == list(range(30))
    assert [len(images) for images, _ in dataset.as_numpy_iterator()] == [8, 8, 8, 6]
    assert dataset.element_spec[0].shape.as_list() == [None, 4, 4, 3]


def test_batches_are_shuffled_anew_every_epoch_with_their_labels(numbered):
    dataset = decoding.batches(*numbered, 8, seed=1)
    first, second = drawn_numbers(dataset), drawn_numbers(dataset)
    assert sorted(first) == sorted(second) == list(range(30))
    assert first != second
    for images, labels in dataset.as_numpy_iterator():
        assert ((images[:, 0, 0, 0] < 10) == labels).all()


def test_balanced_batches_draw_the_classes_equally_often(numbered):
    dataset = decoding.batches(*numbered, 8, seed=1, balanced=True)
    labels = np.concatenate([labels for _ in range(20) for _, labels in dataset.as_numpy_iterator()])
    assert len(labels) == 600
    assert labels.mean() == pytest.approx(0.5, abs=0.06)


def test_batches_need_a_label_for_each_image(numbered):
    images, labels = numbered
    with pytest.raises(ValueError, match="got 30 images and 29 labels"):
        decoding.batches(images, labels[:-1], 8)
    with pytest.raises(ValueError, match="balanced batches need a seed"):
        decoding.batches(images, labels, 8, balanced=True)
