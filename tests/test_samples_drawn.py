"""The drawn pets and radiographs: what they promise, and that they teach."""

import hashlib

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from dlcourse.samples import folders, pets, radiographs


@pytest.fixture(scope="module")
def pictures():
    return pets.load(count=800, image_size=48)


@pytest.fixture(scope="module")
def chests():
    return radiographs.load(train=200, test=80, image_size=64)


def fingerprint(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()[:16]


def test_pets_are_colour_pictures_half_of_each_kind(pictures):
    images, labels = pictures
    assert images.shape == (800, 48, 48, 3)
    assert images.dtype == np.uint8
    assert np.bincount(labels).tolist() == [400, 400]


@pytest.mark.parametrize("module", [pets, radiographs])
def test_an_image_too_small_to_draw_is_refused(module):
    with pytest.raises(ValueError, match="image_size must be at least 32; got 8"):
        module.load(image_size=8)


def test_a_seed_gives_the_same_pixels_everywhere():
    assert fingerprint(*pets.load(seed=3, count=20, image_size=40)) == "a14bcf58ad7fe1fb"
    learn, judge = radiographs.load(seed=3, train=20, test=20, image_size=40)
    assert fingerprint(*learn, *judge) == "c93c43e7acf316d0"


def test_another_seed_draws_others():
    one, other = (pets.load(seed=seed, count=4, image_size=32)[0] for seed in (0, 1))
    assert not np.array_equal(one, other)


def test_colour_and_light_do_not_tell_cats_from_dogs(pictures):
    images, labels = pictures
    numbers = np.concatenate([images.mean(axis=(1, 2)), images.std(axis=(1, 2))], axis=1) / 255
    model = LogisticRegression(max_iter=1000).fit(numbers[:600], labels[:600])
    assert model.score(numbers[600:], labels[600:]) < 0.65


def test_no_patient_is_in_both_sets_of_radiographs(chests):
    learn, judge = chests
    assert not set(learn.patients) & set(judge.patients)


def test_patients_have_several_images_of_one_label(chests):
    for part in chests:
        images = np.bincount(part.patients)[part.patients.min() :]
        assert images.min() >= 1
        assert images.max() >= 3
        labels = [set(part.labels[part.patients == patient]) for patient in np.unique(part.patients)]
        assert all(len(one) == 1 for one in labels)


def test_radiographs_are_imbalanced_like_the_real_ones(chests):
    normal = np.mean(chests[0].labels == 0)
    assert 0.18 < normal < 0.32


def test_masks_fit_the_images(chests):
    for part in chests:
        share = part.lungs.mean(axis=(1, 2))
        assert share.min() > 0.10
        assert share.max() < 0.50
        assert not (part.opacities & ~part.lungs).any()
        drawn = part.opacities.any(axis=(1, 2))
        sick = part.labels > 0
        assert drawn[sick].mean() > 0.9
        assert drawn[~sick].mean() < 0.2  # but for wrong labels


def test_an_opacity_is_denser_than_the_lung_around_it(chests):
    part = chests[0]
    seen = (part.labels == 1) & (part.opacities.sum(axis=(1, 2)) > 50)
    inside = [image[mask].mean() for image, mask in zip(part.images[seen], part.opacities[seen], strict=True)]
    around = [
        image[lung & ~mask].mean()
        for image, lung, mask in zip(part.images[seen], part.lungs[seen], part.opacities[seen], strict=True)
    ]
    assert np.mean(np.array(inside) > np.array(around)) > 0.85


def test_too_few_patients_are_refused():
    with pytest.raises(ValueError, match="train must be at least 20; got 5"):
        radiographs.load(train=5)


def test_image_files_are_drawn_once(monkeypatch, tmp_path):
    monkeypatch.setenv("DLCOURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(radiographs, "load", lambda load=radiographs.load: load(train=20, test=20, image_size=32))
    first = folders.radiographs_folder()
    files = {file: file.stat().st_mtime_ns for file in first.rglob("*.png")}
    assert {"train", "test", "lungs", "opacities"} == {folder.name for folder in first.iterdir()}
    assert folders.radiographs_folder() == first
    assert {file: file.stat().st_mtime_ns for file in first.rglob("*.png")} == files
    assert not [path for path in (tmp_path / "samples").iterdir() if path != first]  # nothing half-drawn
    names = {str(file.relative_to(first / "train")) for file in (first / "train").rglob("*.png")}
    assert names == {str(file.relative_to(first / "lungs/train")) for file in (first / "lungs/train").rglob("*.png")}


def test_a_drawing_that_fails_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("DLCOURSE_CACHE", str(tmp_path))

    def fail():
        raise MemoryError("no paper left")

    monkeypatch.setattr(pets, "load", fail)
    with pytest.raises(MemoryError):
        folders.pets_folder()
    assert not list((tmp_path / "samples").iterdir())
