"""Ten kinds of textured shape in colour, 32x32 pixels: a stand-in for CIFAR-10.

The kind of shape is the label. Everything else varies and tells nothing: place, size, rotation,
proportions, colours, texture of shape and ground (plain, gradient, stripes, checks, dots), light,
specks behind the shape, a bar across it, noise. Some shapes are small, pale or half covered,
and a few of those cannot be told by anybody, so no model reaches 100 %.

Drawn from signed distances (negative inside, in units of the shape's size; y points down); every machine gets the
same pixels.
"""

import numpy

from dlcourse.samples.drawing import Draws, blend, edge, length, texture

CLASSES = (
    "circle",
    "square",
    "triangle",
    "hourglass",
    "star",
    "ring",
    "cross",
    "crescent",
    "heart",
    "arrow",
)

_BATCH = 200  # images drawn at a time: small enough for the processor's cache
# Unit normals of a regular pentagon's sides: cosine and sine of 90 + 72 k degrees.
_FIVE_DIRECTIONS = (
    (0.0, 1.0),
    (-0.951057, 0.309017),
    (-0.587785, -0.809017),
    (0.587785, -0.809017),
    (0.951057, 0.309017),
)


def _circle(x, y):
    return length(x, y) - 0.85


def _box(x, y, half_width, half_height):
    return numpy.maximum(numpy.abs(x) - half_width, numpy.abs(y) - half_height)


def _square(x, y):
    return _box(x, y, 0.75, 0.75)


def _triangle(x, y):
    return numpy.maximum(y, numpy.abs(x) * 0.866025 - y * 0.5) - 0.58


def _hourglass(x, y):
    return numpy.maximum(numpy.abs(y) - 0.9, numpy.abs(x) * 0.8 - numpy.abs(y) * 0.6 - 0.1)


def _star(x, y):
    # A pentagram's points lie outside one side of its pentagon at most: the second-largest counts.
    largest = x * 0 - 9
    second = largest
    for cosine, sine in _FIVE_DIRECTIONS:
        side = x * cosine + y * sine
        second = numpy.maximum(second, numpy.minimum(largest, side))
        largest = numpy.maximum(largest, side)
    return second - 0.4


def _ring(x, y):
    return numpy.abs(length(x, y) - 0.72) - 0.24


def _cross(x, y):
    return numpy.minimum(_box(x, y, 1.0, 0.32), _box(x, y, 0.32, 1.0))


def _crescent(x, y):
    return numpy.maximum(length(x, y) - 1.0, 0.8 - length(x - 0.55, y))


def _heart(x, y):
    # A square standing on its corner, and a half disc on each of its upper sides.
    right = (x - y) * 0.707107 + 0.2
    left = (-x - y) * 0.707107 + 0.2
    discs = numpy.minimum(length(right - 0.55, left), length(right, left - 0.55)) - 0.55
    return numpy.minimum(_box(right, left, 0.55, 0.55), discs)


def _arrow(x, y):
    head = numpy.maximum(y - 0.05, numpy.abs(x) * 0.8 - y * 0.6 - 0.6)
    return numpy.minimum(head, _box(x, y - 0.5, 0.26, 0.5))


_DISTANCES = (_circle, _square, _triangle, _hourglass, _star, _ring, _cross, _crescent, _heart, _arrow)


def _draw(kind, count, image_size, generator, grain_generator):
    """`count` images of one kind of shape: uint8 (count, image_size, image_size, 3)."""
    draws = Draws(generator, count)
    # Pixel centres in units of a 32-pixel image's pixels, from its middle.
    ticks = (numpy.arange(image_size, dtype=numpy.float32) + numpy.float32(0.5)) * numpy.float32(32 / image_size) - 16
    pixel = numpy.float32(image_size / 32)
    x, y = ticks[None, None, :], ticks[None, :, None]

    # Ground: two related colours in a pattern.
    ground = draws.between(10, 160, channels=3)
    image = ground + texture(draws, x, y)[..., None] * draws.between(-40, 40, channels=3)

    # Specks behind the shape.
    for _ in range(3):
        distance = numpy.abs(x - draws.between(-16, 16)) + numpy.abs(y - draws.between(-16, 16))
        blend(image, draws.between(0, 255, channels=3), edge((distance - draws.between(-2, 3)) * pixel))

    # The shape.
    radius = draws.between(7, 14)
    stretch = draws.between(0.85, 1.15)
    # Tilted by up to 35 degrees: like the objects of photographs, most stand upright.
    tilt = draws.between(-0.7, 0.7)
    cosine = 1 / length(tilt, numpy.float32(1))
    sine = tilt * cosine
    room = 15 - radius
    shape_x = x - draws.between(-1, 1) * room
    shape_y = y - draws.between(-1, 1) * room
    distance = _DISTANCES[kind](
        (shape_x * cosine + shape_y * sine) / radius * stretch,
        (shape_y * cosine - shape_x * sine) / radius / stretch,
    )
    # Its mean colour differs from the ground's, more often to the bright side; sometimes not by much.
    away = draws.between(-0.25, 1, channels=3)
    strongest = numpy.abs(away).max(axis=-1, keepdims=True) + numpy.float32(1e-6)
    contrast = draws.between(45, 200)[..., None]
    away = away / strongest * contrast
    # Where a channel would leave the range, it differs to the other side instead.
    away = numpy.where((ground + away < 0) | (ground + away > 255), -away, away)
    colour = ground + away
    colour = colour + (texture(draws, x, y)[..., None] - numpy.float32(0.5)) * draws.between(-50, 50, channels=3)
    blend(image, colour, edge(distance * radius * pixel))

    # A bar across the picture, in three of ten images.
    cosine, sine = draws.direction()
    across = numpy.abs(x * cosine + y * sine - draws.between(-9, 9)) - draws.between(0.5, 2.5)
    absent = draws.between(0, 1) > numpy.float32(0.3)
    blend(image, draws.between(0, 255, channels=3), edge((across + absent * numpy.float32(99)) * pixel))

    # Light falls off to one side; the camera adds noise.
    cosine, sine = draws.direction()
    image *= (1 + (x * cosine + y * sine) * draws.between(0, 0.02))[..., None]
    bytes_shape = (2, *image.shape)
    grain = grain_generator.integers(0, 256, size=bytes_shape, dtype=numpy.uint8).astype(numpy.float32)
    image += (grain[0] - grain[1]) * (draws.between(0.03, 0.18)[..., None])
    return numpy.clip(image, 0, 255).astype(numpy.uint8)


def _draw_set(count, image_size, seed, part):
    generator = numpy.random.default_rng([seed, part])
    # The grain has its own stream, or the scenes would depend on the number of pixels.
    grain_generator = numpy.random.default_rng([seed, part, 1])
    labels = numpy.arange(count, dtype=numpy.int64) % len(CLASSES)
    labels = labels[numpy.argsort(generator.integers(0, 2**62, size=count), kind="stable")]
    images = numpy.empty((count, image_size, image_size, 3), dtype=numpy.uint8)
    for kind in range(len(CLASSES)):
        members = numpy.flatnonzero(labels == kind)
        for start in range(0, len(members), _BATCH):
            batch = members[start : start + _BATCH]
            images[batch] = _draw(kind, len(batch), image_size, generator, grain_generator)
    return images, labels


def load(seed=0, train=4000, test=1000, image_size=32, mislabelled=0.05):
    """Shapes for training and test, as many labels of each kind (to within one).

    As in most real collections, some labels are wrong, so that no network can be right about all test images.

    Args:
        seed: Whole number of at least 0; another seed draws other images.
        train, test: How many images. The test images do not depend on `train`.
        image_size: Pixels a side; larger images show the same scenes finer.
        mislabelled: The share of the images that exchange labels among themselves, 0 to 1.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images uint8 (count, image_size, image_size, 3),
        0 to 255; labels int64 (count,), positions in `CLASSES`.
    """
    sets = []
    for part, count in enumerate((train, test)):
        images, labels = _draw_set(count, image_size, seed, part)
        # A random generator of its own, so that the images stay the same whatever the share.
        exchanged = numpy.random.default_rng([seed, part, 1]).permutation(count)[: int(mislabelled * count)]
        labels[exchanged] = numpy.roll(labels[exchanged], 1)
        sets.append((images, labels))
    return tuple(sets)
