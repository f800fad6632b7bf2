"""Images on disk: names, patients and splits."""

import numpy as np
import pandas as pd
import pytest
from conftest import draw

from dlcourse import decoding, image_files
from dlcourse.samples import pets, radiographs

RADIOGRAPHS = {
    "train/NORMAL": [f"IM-{p:04}-0001.jpeg" for p in range(24)]
    + ["NORMAL2-IM-0003-0001.jpeg", "IM-0003-0002-0001.jpeg"],
    "train/PNEUMONIA": [f"person{p}_{kind}_{p}.jpeg" for p in range(24) for kind in ("bacteria", "virus")],
    "test/NORMAL": ["IM-0100-0001.jpeg", "IM-0101-0001.jpeg"],
    "test/PNEUMONIA": ["person200_bacteria_1.jpeg", "person200_virus_2_1.jpeg"],
}


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
