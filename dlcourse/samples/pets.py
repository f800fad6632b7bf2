"""Drawn cats and dogs in colour: a stand-in for photographs of them.

What tells them apart is shape: a cat's pointed ears, round face, large eyes with a slit, short muzzle and whiskers;
a dog's hanging ears, long face, muzzle and broad nose. Each of these is missing, hidden or misleading in some pictures
(dogs with pointed ears, cats with folded ones, closed eyes, a head half out of the picture). Coat, pattern,
background, light, size, place and pose tell nothing. A few labels are wrong, so no model reaches 100 %.
"""

import numpy

from dlcourse.samples.drawing import Draws, blend, edge, length, smooth, texture

CLASSES = ("cat", "dog")
_BATCH = 48  # pictures drawn at a time: small enough for the processor's cache
# Coats of either: ginger, brown, black, white, grey, cream.
_COATS = numpy.array(
    [(205, 130, 65), (120, 80, 50), (45, 42, 44), (228, 224, 218), (128, 128, 134), (212, 182, 140)], numpy.float32
)


def _ellipse(x, y, half_width, half_height):
    """About the distance to an ellipse around (0, 0); negative inside."""
    return (length(x / half_width, y / half_height) - 1) * numpy.minimum(half_width, half_height)


def _triangle(x, y, half_width, height):
    """Distance to a triangle on its base at y = 0 with its tip at y = -height; negative inside."""
    slope = half_width / height
    side = (numpy.abs(x) - half_width - y * slope) / length(slope, numpy.float32(1))
    return numpy.maximum(side, y)


def _segment(x, y, to_x, to_y):
    """Distance to the straight line from (0, 0) to (to_x, to_y)."""
    along = numpy.clip((x * to_x + y * to_y) / (to_x * to_x + to_y * to_y), 0, 1)
    return length(x - along * to_x, y - along * to_y)


def _ground(draws, x, y):
    """A room or a meadow: two halves in different patterns, with things lying about."""
    colour = draws.between(20, 215, channels=3)
    image = colour + (texture(draws, x * 16, y * 16)[..., None] - numpy.float32(0.5)) * draws.between(
        -60, 60, channels=3
    )
    floor = smooth((y - draws.between(0.1, 0.9) - x * draws.between(-0.2, 0.2)) * 20)
    below = draws.between(20, 215, channels=3)
    below = below + (texture(draws, x * 16, y * 16)[..., None] - numpy.float32(0.5)) * draws.between(
        -60, 60, channels=3
    )
    image += floor[..., None] * (below - image)
    for _ in range(3):
        thing_x, thing_y = x - draws.between(-1, 1), y - draws.between(-1, 1)
        distance = numpy.maximum(
            numpy.abs(thing_x) / draws.between(0.05, 0.35), numpy.abs(thing_y) / draws.between(0.05, 0.35)
        )
        blend(image, draws.between(0, 255, channels=3), edge((distance - 1) * 12))
    return image


def _draw(kind, count, size, generator):
    """`count` pictures of one kind: uint8 (count, size, size, 3)."""
    draws = Draws(generator, count)
    ticks = (numpy.arange(size, dtype=numpy.float32) + numpy.float32(0.5)) * numpy.float32(2 / size) - 1
    x, y = ticks[None, None, :], ticks[None, :, None]
    chance = lambda share: (draws.between(0, 1) < numpy.float32(share)).astype(numpy.float32)  # noqa: E731
    image = _ground(draws, x, y)

    # The head's own coordinates: 1 is half a face wide. `turn` moves what is in front of it sideways.
    radius = draws.between(0.26, 0.52)
    head_x, head_y = draws.between(-0.55, 0.55), draws.between(-0.45, 0.30)
    tilt, turn = draws.between(-0.35, 0.35), draws.between(-0.28, 0.28)
    cosine = 1 / length(tilt, numpy.float32(1))
    right, down = (x - head_x) / radius, (y - head_y) / radius
    u, v = (right + down * tilt) * cosine, (down - right * tilt) * cosine
    soft = radius * numpy.float32(size / 2)  # pixels in a unit

    def paint(colour, distance, share=1.0):
        blend(image, colour, edge(distance * soft) * share)

    # Coat: a colour with a pattern, light from one side.
    pick = generator.integers(0, len(_COATS), size=count)
    coat = _COATS[pick][:, None, None, :] * draws.between(0.8, 1.12)[..., None] + draws.between(-14, 14, channels=3)
    pattern = (texture(draws, u * 8, v * 8) - numpy.float32(0.5)) * draws.between(-70, 70) * chance(0.6)
    fur = coat + pattern[..., None] + (u * draws.between(-16, 16) - v * 8)[..., None]
    dark, light = fur * numpy.float32(0.62), fur * numpy.float32(0.55) + numpy.float32(100)

    # Body and tail, behind the head.
    lean = draws.between(-0.9, 0.9)
    paint(
        fur * numpy.float32(0.85), _ellipse(right - lean, down - 2.0, draws.between(0.9, 1.3), draws.between(1.2, 1.7))
    )
    tail_x, tail_y = draws.between(-1, 1), draws.between(-1.6, -0.4)
    long_tail = numpy.float32(1.3 if kind == 0 else 0.8) * draws.between(0.7, 1.3)
    tail = _segment(right - lean * 1.9, down - 2.0, tail_x * long_tail, tail_y * long_tail)
    paint(dark, tail - (0.10 if kind == 0 else 0.14) * draws.between(0.8, 1.3))

    # Ears. Three dogs in ten have pointed ones; one cat in seven has folded ones.
    pointed = 1 - chance(0.15) if kind == 0 else chance(0.3)
    spread, tall = draws.between(0.52, 0.74), draws.between(0.65, 1.0)
    hang, broad = draws.between(0.50, 0.85), draws.between(0.22, 0.36)
    for side in (-1, 1):
        shown = u * side
        # Each ear leans outwards; a base inside the face hides the joint.
        ear_x, ear_y = shown - spread - 0.25 * (v + 0.55), v + 0.42
        pricked = _triangle(ear_x, ear_y, draws.between(0.30, 0.42), tall)
        inner = _triangle(ear_x, ear_y + 0.06, numpy.float32(0.17), tall * numpy.float32(0.62))
        paint(fur, pricked, pointed)
        paint(numpy.float32([205, 150, 145]), inner, pointed)
        if kind == 0:  # folded: a small flap lying on the head
            flap = _triangle(ear_x, -(v + 0.78), numpy.float32(0.30), numpy.float32(0.34))
            paint(dark, flap, 1 - pointed)
    # Face: a cat's is broad, a dog's long.
    wide, high = (draws.between(0.95, 1.08), draws.between(0.80, 0.94)) if kind == 0 else (
        draws.between(0.78, 0.98), draws.between(0.92, 1.14))  # fmt: skip
    paint(fur, _ellipse(u, v, wide, high))
    if kind == 1:
        for side in (-1, 1):
            hanging = _ellipse(u * side - 0.86 - 0.12 * v, v + 0.02 - 0.3 * hang, broad, hang)
            paint(dark, hanging, 1 - pointed)
    # A pale blaze on some faces.
    paint(light, _ellipse(u - turn, v - 0.25, draws.between(0.15, 0.45), draws.between(0.6, 0.9)), 0.8 * chance(0.3))

    # Eyes, one in eight pictures with both closed.
    open_eyes = 1 - chance(0.12)
    apart, level = draws.between(0.34, 0.44), draws.between(-0.24, -0.06)
    iris = numpy.where(
        chance(0.75 if kind == 0 else 0.15)[..., None] > 0,
        numpy.float32([165, 185, 70]) + draws.between(-45, 45, channels=3),
        numpy.float32([80, 50, 30]) + draws.between(-25, 25, channels=3),
    )
    large = draws.between(0.16, 0.25) if kind == 0 else draws.between(0.11, 0.19)
    for side in (-1, 1):
        eye_x, eye_y = u - turn - side * apart, v - level
        paint(iris, _ellipse(eye_x, eye_y, large, large * draws.between(0.75, 1.0)), open_eyes)
        narrow = large * (draws.between(0.20, 0.75) if kind == 0 else draws.between(0.50, 0.80))
        paint(numpy.float32(15), _ellipse(eye_x, eye_y, narrow, large * 0.75), open_eyes)
        paint(numpy.float32(250), _ellipse(eye_x - 0.05, eye_y + 0.06, 0.035, 0.035), open_eyes)
        paint(numpy.float32(25), _ellipse(eye_x, eye_y, large, numpy.float32(0.03)), 1 - open_eyes)

    # Muzzle, nose, mouth; whiskers or tongue.
    ahead = turn * numpy.float32(1.5)
    if kind == 0:
        for side in (-1, 1):
            paint(light, _ellipse(u - ahead - side * 0.15, v - 0.42, 0.20, 0.16), 0.7)
        nose = numpy.float32([195, 120, 120]) * draws.between(0.5, 1.0)[..., None]
        paint(nose, _triangle(u - ahead, 0.22 - v + 0.12, draws.between(0.09, 0.13), numpy.float32(0.13)))
        whiskers = chance(0.8)
        for side in (-1, 1):
            for drop in (-0.16, 0.0, 0.16):
                hair = _segment((u - ahead) * side - 0.22, v - 0.42, draws.between(0.7, 1.0), drop + tilt * 0)
                paint(numpy.float32(235), hair - 0.012, whiskers * 0.8)
    else:
        paint(light, _ellipse(u - ahead, v - 0.46, draws.between(0.34, 0.48), draws.between(0.34, 0.46)), 0.75)
        nose = draws.between(0.14, 0.22)
        paint(numpy.float32(28), _ellipse(u - ahead, v - 0.26, nose, nose * 0.7))
        tongue = _ellipse(u - ahead, v - 0.86, numpy.float32(0.13), numpy.float32(0.22))
        paint(numpy.float32([215, 95, 105]), tongue, chance(0.35))
    paint(numpy.float32(40), _segment(u - ahead, v - 0.34, numpy.float32(0), numpy.float32(0.2)) - 0.02)

    # Something in front, in a fifth of the pictures; light; grain.
    bar_x, bar_y = draws.direction()
    bar = numpy.abs(x * bar_x + y * bar_y - draws.between(-0.9, 0.9)) - draws.between(0.05, 0.22)
    blend(image, draws.between(0, 255, channels=3), edge(bar * size / 2) * chance(0.2))
    image *= (1 + draws.between(-0.25, 0.25) * x + draws.between(-0.25, 0.25) * y)[..., None] * draws.between(
        0.65, 1.2
    )[..., None]
    image += draws.grain(image.shape) * draws.between(0.02, 0.10)[..., None]
    return numpy.clip(image, 0, 255).astype(numpy.uint8)


def load(seed=0, count=2000, image_size=96, mislabelled=0.03):
    """Pictures of cats and dogs, half of each (to within one), in random order.

    Args:
        seed: whole number of at least 0; another seed draws other pictures.
        count: how many; the first n of a larger count are *not* those of a smaller one.
        image_size: pixels a side, at least 32.
        mislabelled: the share of pictures that exchange labels among themselves, 0 to 1.

    Returns:
        Pictures, uint8 (count, image_size, image_size, 3), 0 to 255; labels, int64 (count,), positions in `CLASSES`.
    """
    if image_size < 32:
        raise ValueError(f"image_size must be at least 32; got {image_size}")
    generator = numpy.random.default_rng(seed)
    labels = numpy.arange(count, dtype=numpy.int64) % len(CLASSES)
    labels = labels[numpy.argsort(generator.integers(0, 2**62, size=count), kind="stable")]
    images = numpy.empty((count, image_size, image_size, 3), numpy.uint8)
    for kind in range(len(CLASSES)):
        members = numpy.flatnonzero(labels == kind)
        for start in range(0, len(members), _BATCH):
            batch = members[start : start + _BATCH]
            images[batch] = _draw(kind, len(batch), image_size, generator)
    exchanged = numpy.random.default_rng([seed, 1]).permutation(count)[: int(mislabelled * count)]
    labels[exchanged] = numpy.roll(labels[exchanged], 1)
    return images, labels
