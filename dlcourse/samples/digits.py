"""Real handwritten digits in the form of MNIST: scikit-learn's 8x8 digits, enlarged to 28x28.

Source: the test part of the UCI 'Optical Recognition of Handwritten Digits' set (E. Alpaydin
and C. Kaynak, 1998; CC BY 4.0), 1,797 digits by 13 writers, which comes with scikit-learn.
"""

import numpy
import PIL.Image
import sklearn.datasets

IMAGE_SIZE = 28
DIGIT_SIZE = 20  # as in MNIST: the digit fills 20x20 of the 28x28 pixels


def _enlarge(small):
    """One digit, (8, 8) of 0 to 16, as uint8 (28, 28), its centre of mass in the middle."""
    grey = PIL.Image.fromarray(numpy.minimum(small * 16, 255).astype(numpy.uint8))
    # A blank border keeps the enlargement from cutting strokes that touch the edge.
    framed = PIL.Image.new("L", (10, 10))
    framed.paste(grey, (1, 1))
    side = DIGIT_SIZE * 10 // 8
    large = numpy.asarray(framed.resize((side, side), PIL.Image.Resampling.BICUBIC)).astype(numpy.int64)
    # Enlarging blurs; more contrast gives back strokes as crisp as MNIST's.
    large = numpy.clip((large - 48) * 3 // 2, 0, 255)
    mass = int(large.sum())
    positions = numpy.arange(side)
    canvas = numpy.zeros((IMAGE_SIZE + 2 * side,) * 2, dtype=numpy.uint8)
    corner = []
    for axis in (1, 0):
        centre_doubled = 2 * int((large.sum(axis=axis) * positions).sum()) // mass + 1
        corner.append(side + (IMAGE_SIZE - centre_doubled) // 2)
    row, column = corner
    canvas[row : row + side, column : column + side] = large
    return canvas[side:-side, side:-side]


def load():
    """The digits, split into training and test images.

    The digits come writer by writer, so the last fifth of each class is the test set: mostly
    hands that training has not seen. The split is always the same.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images uint8 (1438, 28, 28) and (359, 28, 28),
        0 (black ground) to 255; labels int64 (1438,) and (359,), 0 to 9.
    """
    digits = sklearn.datasets.load_digits()
    labels = digits.target.astype(numpy.int64)
    images = numpy.stack([_enlarge(small) for small in digits.images.astype(numpy.int64)])
    test = numpy.zeros(len(labels), dtype=bool)
    for label in range(10):
        members = numpy.flatnonzero(labels == label)
        test[members[-round(len(members) / 5) :]] = True
    return (images[~test], labels[~test]), (images[test], labels[test])
