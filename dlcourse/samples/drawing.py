"""What the drawn samples are made with: random numbers per image, soft edges, waves and noise.

Only integer draws and operations that IEEE 754 rounds exactly are used, so every machine gets the same pixels.
"""

import numpy


class Draws:
    """Random numbers per image, (count, 1, 1) float32, each of 65536 equally likely steps."""

    def __init__(self, generator, count):
        self._generator = generator
        self._count = count

    def between(self, low, high, channels=None):
        """Numbers from `low` to `high`; with `channels`, (count, 1, 1, channels)."""
        shape = (self._count, 1, 1) + (() if channels is None else (channels,))
        steps = self._generator.integers(0, 65536, size=shape, dtype=numpy.uint16)
        return numpy.float32(low) + steps.astype(numpy.float32) * numpy.float32((high - low) / 65536)

    def direction(self):
        """Unit vectors: x and y, (count, 1, 1) each."""
        x, y = self.between(-1, 1), self.between(-1, 1)
        distance = length(x, y) + numpy.float32(1e-6)
        return x / distance, y / distance

    def noise(self, x, y, cells):
        """Smooth noise, 0 to 1, at places x and y from -1 to 1 (count, height, width); about `cells` hills a side."""
        lattice = self._generator.integers(0, 256, size=(self._count, cells + 3, cells + 3), dtype=numpy.uint8)
        lattice = lattice.astype(numpy.float32) / numpy.float32(255)
        column = numpy.clip((x + 1) * numpy.float32(cells / 2), 0, cells + 1)
        row = numpy.clip((y + 1) * numpy.float32(cells / 2), 0, cells + 1)
        left, top = numpy.floor(column).astype(numpy.int32), numpy.floor(row).astype(numpy.int32)
        across, down = smooth(column - left), smooth(row - top)
        image = numpy.arange(self._count)[:, None, None]
        upper = lattice[image, top, left] * (1 - across) + lattice[image, top, left + 1] * across
        lower = lattice[image, top + 1, left] * (1 - across) + lattice[image, top + 1, left + 1] * across
        return upper * (1 - down) + lower * down

    def grain(self, shape):
        """Noise of single pixels, float32, -255 to 255, triangular around 0."""
        two = self._generator.integers(0, 256, size=(2, *shape), dtype=numpy.uint8).astype(numpy.float32)
        return two[0] - two[1]


def length(x, y):
    """The length of the vector (x, y)."""
    return numpy.sqrt(x * x + y * y)


def smooth(values):
    """An S-shaped step from 0 (at 0 and below) to 1 (at 1 and above)."""
    values = numpy.clip(values, 0, 1)
    return values * values * (3 - 2 * values)


def zigzag(values):
    """A wave of straight lines between 0 and 1, with period 1."""
    return numpy.abs(values - numpy.floor(values) - numpy.float32(0.5)) * numpy.float32(2)


def edge(distance_in_pixels):
    """How much of a pixel is covered: 1 inside, 0 outside, a ramp one pixel wide between."""
    return numpy.clip(numpy.float32(0.5) - distance_in_pixels, 0, 1)


def blend(image, colour, coverage):
    """Lays a colour over the image (count, size, size, 3), in place."""
    image += coverage[..., None] * (colour - image)


def texture(draws, x, y):
    """A pattern, (count, size, size), 0 to 1: plain, gradient, stripes, checks or dots; x and y up to 16 a side."""
    cosine, sine = draws.direction()
    period = draws.between(4, 9)
    kind = draws.between(0, 5).astype(numpy.int64)[:, 0, 0]
    # Each is a mixture of two waves u and v and their product.
    period = numpy.where((kind == 1)[:, None, None], period * 9, period)
    u = zigzag((x * cosine + y * sine) / period + draws.between(0, 1))
    v = zigzag((y * cosine - x * sine) / period + draws.between(0, 1))
    sharpness = numpy.where((kind >= 2)[:, None, None], numpy.float32(3), numpy.float32(1))
    u = numpy.clip((u - numpy.float32(0.5)) * sharpness + numpy.float32(0.5), 0, 1)
    v = numpy.clip((v - numpy.float32(0.5)) * sharpness + numpy.float32(0.5), 0, 1)
    mixture = numpy.array([(0, 0, 0), (1, 0, 0), (1, 0, 0), (1, 1, -2), (0, 0, 1)], dtype=numpy.float32)
    of_u, of_v, of_both = (mixture[kind, column][:, None, None] for column in range(3))
    return of_u * u + of_v * v + of_both * (u * v)
