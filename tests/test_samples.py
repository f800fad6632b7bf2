"""The embedded digits, shapes and reviews: what the loaders promise, and that they teach."""

import hashlib

import numpy
import pytest
import sklearn.feature_extraction.text
import sklearn.linear_model
import sklearn.pipeline

from dlcourse.samples import digits, reviews, shapes


def fingerprint(*arrays):
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(numpy.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def halved(images):
    """The images at half the width and height, a row each: quick for a linear model."""
    count, height, width = images.shape[:3]
    return images.reshape(count, height // 2, 2, width // 2, 2, -1).mean(axis=(2, 4)).reshape(count, -1) / 255


@pytest.fixture(scope="module")
def digit_sets():
    return digits.load()


@pytest.fixture(scope="module")
def shape_sets():
    return shapes.load()


@pytest.fixture(scope="module")
def review_sets():
    return reviews.load()


# Digits


def test_digits_have_the_form_of_mnist(digit_sets):
    (x_train, y_train), (x_test, y_test) = digit_sets
    assert x_train.shape == (1438, 28, 28)
    assert x_test.shape == (359, 28, 28)
    assert x_train.dtype == x_test.dtype == numpy.uint8
    assert y_train.dtype == y_test.dtype == numpy.int64
    assert len(y_train) == 1438
    assert len(y_test) == 359


def test_digits_are_white_on_black_and_centred(digit_sets):
    (images, _), _ = digit_sets
    assert images[:, 0].max() < 32
    assert images[:, :, 0].max() < 32
    assert (images.max(axis=(1, 2)) == 255).all()
    assert (numpy.median(images, axis=(1, 2)) == 0).all()
    mass = images.sum(axis=(1, 2))
    for axis in (1, 2):
        profile = images.sum(axis=axis)
        centres = (profile * (numpy.arange(28) + 0.5)).sum(axis=1) / mass
        assert numpy.abs(centres - 14).max() <= 0.51


def test_digits_test_set_holds_a_fifth_of_each_class(digit_sets):
    (_, y_train), (_, y_test) = digit_sets
    of_all = numpy.bincount(y_train) + numpy.bincount(y_test)
    assert numpy.abs(numpy.bincount(y_test) / of_all - 0.2).max() < 0.01


def test_no_digit_is_in_both_sets(digit_sets):
    (x_train, _), (x_test, _) = digit_sets
    assert not {image.tobytes() for image in x_train} & {image.tobytes() for image in x_test}


def test_digits_are_easy_for_a_linear_model(digit_sets):
    (x_train, y_train), (x_test, y_test) = digit_sets
    model = sklearn.linear_model.RidgeClassifier(10).fit(halved(x_train), y_train)
    assert 0.8 < model.score(halved(x_test), y_test) < 0.97


# Shapes


def test_shapes_have_the_form_of_cifar10(shape_sets):
    (x_train, y_train), (x_test, y_test) = shape_sets
    assert x_train.shape == (4000, 32, 32, 3)
    assert x_test.shape == (1000, 32, 32, 3)
    assert x_train.dtype == x_test.dtype == numpy.uint8
    assert y_train.dtype == y_test.dtype == numpy.int64
    assert len(shapes.CLASSES) == len(set(shapes.CLASSES)) == 10


def test_every_kind_of_shape_is_as_frequent(shape_sets):
    (_, y_train), (_, y_test) = shape_sets
    assert numpy.bincount(y_train).tolist() == [400] * 10
    assert numpy.bincount(y_test).tolist() == [100] * 10


def test_the_same_seed_draws_the_same_shapes():
    (images, labels), _ = shapes.load(seed=3, train=40, test=0)
    (again, labels_again), _ = shapes.load(seed=3, train=40, test=0)
    (other, _), _ = shapes.load(seed=4, train=40, test=0)
    assert (images == again).all()
    assert (labels == labels_again).all()
    assert (images != other).mean() > 0.9


def test_shapes_are_the_same_on_every_machine():
    (images, labels), _ = shapes.load(seed=3, train=40, test=0)
    assert fingerprint(images, labels) == "21f7b01b189ca5d2"


def test_a_share_of_the_shapes_is_mislabelled_and_the_pictures_stay():
    (images, labels), _ = shapes.load(train=400, test=0, mislabelled=0.1)
    (same_images, true_labels), _ = shapes.load(train=400, test=0, mislabelled=0)
    assert (images == same_images).all()
    assert 0.05 < (labels != true_labels).mean() <= 0.1


def test_test_shapes_do_not_depend_on_the_number_of_training_shapes():
    _, (few, _) = shapes.load(train=10, test=30)
    _, (many, _) = shapes.load(train=50, test=30)
    assert (few == many).all()


def test_larger_shapes_show_the_same_scenes():
    (small, labels), _ = shapes.load(train=30, test=0)
    (large, large_labels), _ = shapes.load(train=30, test=0, image_size=64)
    assert large.shape == (30, 64, 64, 3)
    assert (labels == large_labels).all()
    reduced = large.reshape(30, 32, 2, 32, 2, 3).mean(axis=(2, 4))
    assert numpy.abs(reduced - small).mean() < 20


def test_shapes_are_hard_for_a_linear_model(shape_sets):
    (x_train, y_train), (x_test, y_test) = shape_sets
    model = sklearn.linear_model.RidgeClassifier(1000).fit(halved(x_train), y_train)
    score = model.score(halved(x_test), y_test)
    assert 0.15 < score < 0.35


# Reviews


def as_text(encoded):
    return [" ".join(map(str, review)) for review in encoded]


def linear_score(review_sets, vectorizer, regularisation):
    (x_train, y_train), (x_test, y_test) = review_sets
    model = sklearn.pipeline.make_pipeline(
        vectorizer, sklearn.linear_model.LogisticRegression(C=regularisation, max_iter=1000)
    )
    return model.fit(as_text(x_train), y_train).score(as_text(x_test), y_test)


def test_reviews_have_the_form_of_imdb(review_sets):
    (x_train, y_train), (x_test, y_test) = review_sets
    assert x_train.shape == y_train.shape == (3000,)
    assert x_test.shape == y_test.shape == (1000,)
    assert x_train.dtype == x_test.dtype == object
    assert y_train.dtype == y_test.dtype == numpy.int64
    assert {type(review) for review in x_train} == {list}
    assert {type(rank) for rank in x_train[0]} == {int}


def test_reviews_have_sixty_to_two_hundred_words(review_sets):
    lengths = [len(review) for part, _ in review_sets for review in part]
    assert min(lengths) >= 60
    assert max(lengths) <= 200
    assert numpy.std(lengths) > 30


def test_half_of_the_reviews_praise(review_sets):
    (_, y_train), (_, y_test) = review_sets
    assert numpy.bincount(y_train).tolist() == [1500, 1500]
    assert numpy.bincount(y_test).tolist() == [500, 500]


def test_the_length_of_a_review_does_not_give_the_verdict_away(review_sets):
    (x_train, y_train), _ = review_sets
    lengths = numpy.array([len(review) for review in x_train])
    assert abs(lengths[y_train == 1].mean() - lengths[y_train == 0].mean()) < 6


def test_word_index_ranks_by_frequency_in_the_training_reviews(review_sets):
    (x_train, _), _ = review_sets
    index = reviews.word_index()
    assert sorted(index.values()) == list(range(1, len(index) + 1))
    counts = numpy.bincount(numpy.concatenate(x_train), minlength=len(index) + 1)[1:]
    assert (numpy.diff(counts) <= 0).all()
    assert counts[0] > 10000


def test_word_index_decodes_a_review(review_sets):
    (x_train, _), _ = review_sets
    words = {rank: word for word, rank in reviews.word_index().items()}
    text = " ".join(words[rank] for rank in x_train[0])
    assert text.startswith("not for one moment did it feel thoroughly")
    # No slot of the grammar is left unfilled.
    assert text == text.lower()


def test_another_seed_is_encoded_with_the_same_word_index():
    (_, _), (x_test, _) = reviews.load(seed=5, train=0, test=50)
    assert max(map(max, x_test)) <= len(reviews.word_index())


def test_reviews_are_the_same_on_every_machine():
    (encoded, labels), _ = reviews.load(seed=3, train=40, test=0)
    assert fingerprint(numpy.concatenate(encoded), labels) == "43455032321429e6"


def test_test_reviews_do_not_depend_on_the_number_of_training_reviews():
    _, (few, _) = reviews.load(train=10, test=30)
    _, (many, _) = reviews.load(train=50, test=30)
    assert few.tolist() == many.tolist()


def test_no_review_is_in_both_sets(review_sets):
    (x_train, _), (x_test, _) = review_sets
    assert not set(map(tuple, x_train)) & set(map(tuple, x_test))


def test_a_bag_of_words_sees_little_of_the_verdict(review_sets):
    vectorizer = sklearn.feature_extraction.text.CountVectorizer(token_pattern=r"\S+")
    assert 0.56 < linear_score(review_sets, vectorizer, 0.1) < 0.72


def test_pairs_of_words_see_little_of_the_verdict(review_sets):
    vectorizer = sklearn.feature_extraction.text.TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, min_df=2, token_pattern=r"\S+"
    )
    assert 0.56 < linear_score(review_sets, vectorizer, 10) < 0.72
