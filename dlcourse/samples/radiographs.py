"""Drawn chest radiographs with masks: a stand-in for the paediatric radiographs of Kermany et al. (2018).

Three classes: normal; bacterial, with one or two dense patches in a lobe; viral, with a fine net of lines spread from
the middle through both lungs. Patients have several images each, which share their build; images of a patient differ
in pose, breath, exposure and noise. Brightness as such tells little, since exposure varies too, and normal chests have
vessels and soft shadows. Some findings are faint, and a few labels are wrong.

These are drawings. Nothing learned from them says anything about a person: not for diagnosis.
"""

from typing import NamedTuple

import numpy

from dlcourse.samples.drawing import Draws, edge, length, smooth, zigzag

CLASSES = ("normal", "bacterial", "viral")
_OF_TWENTY_PATIENTS = (6, 8, 6)  # the classes' patients; the sick have more images, which makes about 1 : 3
_IMAGES_A_PATIENT = ((1, 2), (1, 4), (1, 3))  # from, to
_BATCH = 64  # images drawn at a time: small enough for the processor's cache


class Radiographs(NamedTuple):
    """Drawn radiographs in the order of their patients.

    Attributes:
        images: uint8, (n, image_size, image_size), 0 to 255.
        labels: int64, (n,), positions in `CLASSES`.
        patients: int64, (n,), which patient an image is of; numbered from 0.
        lungs: bool, (n, image_size, image_size), where lungs can be seen: without what lies behind heart and spine.
        opacities: bool, (n, image_size, image_size), where a finding was drawn; empty in normal chests.
    """

    images: numpy.ndarray
    labels: numpy.ndarray
    patients: numpy.ndarray
    lungs: numpy.ndarray
    opacities: numpy.ndarray


class _Patients:
    """What stays the same in all images of a patient: arrays (patients, 1, 1)."""

    def __init__(self, generator, count):
        draws = Draws(generator, count)
        self.width = draws.between(0.90, 1.08)
        self.apex = draws.between(-0.86, -0.76)
        self.diaphragm = draws.between(0.40, 0.58)
        self.heart = draws.between(0.26, 0.36)
        self.rib_spacing = draws.between(0.17, 0.21)
        self.rib_bend = draws.between(0.25, 0.50)
        self.rib_strength = draws.between(0.04, 0.12)
        self.vessels = draws.between(0.04, 0.16)
        self.soft_tissue = draws.between(0.0, 0.12)
        self.worse_side = numpy.where(draws.between(0, 1) < numpy.float32(0.6), -1, 1).astype(numpy.float32)
        self.focus = draws.between(-0.40, 0.36)
        self.severity = draws.between(0.3, 1.0)

    def of(self, numbers):
        """The values for images of the patients with these numbers."""
        chosen = object.__new__(_Patients)
        chosen.__dict__.update({name: values[numbers] for name, values in self.__dict__.items()})
        return chosen


def _chest(draws, patient, u, v):
    """The chest without findings: brightness and visible lungs, 0 to 1, each (count, size, size)."""
    across = numpy.abs(u)
    pixel = numpy.float32(2 / u.shape[-1])
    # Body: broad below, with shoulders sloping away from the neck; dark air around it.
    shoulders = 0.28 * smooth((across - 0.18) / 0.40) + 0.22 * u * u - numpy.float32(1.06)
    outside = numpy.maximum(across - numpy.float32(0.97) - 0.05 * v, shoulders - v)
    body = edge(outside / pixel / 4)
    image = body * (0.66 - 0.16 * u * u) + numpy.float32(0.03)
    # Shadows of soft tissue over the lower lungs.
    shadow = 1 - length((across - 0.50) / 0.42, (v - 0.34) / 0.40)

    # Lungs: half ellipses above, cut below by the dome of the diaphragm, that of the right lung being higher.
    breath = draws.between(-0.09, 0.06)
    side = numpy.where(u < 0, -1, 1).astype(numpy.float32)
    rise = numpy.clip((numpy.float32(0.10) - v) / (numpy.float32(0.10) - patient.apex), 0, 1)
    half_width = 0.34 * numpy.sqrt(numpy.maximum(1 - rise * rise, 0)) - 0.05 * smooth((v - 0.1) / 0.6)
    from_middle = across - 0.46 + 0.09 * rise
    dome = patient.diaphragm + breath + 0.05 * side + 1.1 * from_middle * from_middle
    distance = numpy.maximum(numpy.abs(from_middle) - half_width, numpy.maximum(v - dome, patient.apex - v))
    lungs = edge(distance / pixel / 2.5)
    image += lungs * (draws.between(0.16, 0.28) + 0.10 * v * v - image)
    image += lungs * patient.soft_tissue * smooth(shadow * 3)

    # Vessels: branches that leave the hilum of each lung and thin out.
    strength = patient.vessels * draws.between(0.8, 1.2)
    branches = numpy.zeros_like(image)
    for number in range(7):
        ahead, up = draws.between(0.35, 1.0), draws.between(-1.0, 1.0)
        norm = length(ahead, up)
        along = ((across - 0.16) * ahead + (v + 0.02) * up) / norm
        aside = ((across - 0.16) * up - (v + 0.02) * ahead) / norm + draws.between(-0.3, 0.3) * along * along
        thickness = 0.030 * (1 - along * 1.6)
        lit = edge((numpy.abs(aside) - thickness) / pixel / 2) * (along > 0) * (thickness > 0)
        one_side = numpy.where(u < 0, number % 2, 1 - number % 2) if number < 4 else 1  # not a mirror image
        branches = numpy.maximum(branches, lit * one_side)
    image += lungs * branches * strength

    # Heart, great vessels, spine and trachea.
    heart_u, heart_v = u - 0.13, v - 0.26 - breath
    heart = 1 - length((heart_u + 0.35 * heart_v) / patient.heart, (heart_v - 0.2 * heart_u) / 0.34)
    heart = smooth(heart * 5 + 0.5)
    image += heart * (0.70 - image) * 0.9 * body
    middle = smooth((0.17 - across) / 0.09)
    lungs = lungs * (1 - heart) * (1 - middle)  # what can be seen of them
    image += middle * (0.68 - image) * 0.8 * body
    image += edge((across - 0.075) / pixel / 2) * (0.05 + 0.06 * zigzag(v / 0.13)) * body
    image -= edge((numpy.abs(u - 0.01) - 0.035) / pixel / 2) * smooth((-0.30 - v) / 0.2) * 0.14 * body
    # A bubble of air in the stomach.
    image -= smooth((1 - length((u - 0.42) / 0.16, (v - 0.80 - breath) / 0.10)) * 3) * draws.between(0, 0.25)

    # Ribs: behind, sinking outwards; in front, rising outwards, fainter.
    cage = smooth((0.86 - across) / 0.06) * smooth((across - 0.08) / 0.05) * smooth((0.80 - v) / 0.3)
    behind = (v - patient.apex - patient.rib_bend * across * across - 0.12 * across) / patient.rib_spacing
    in_front = (v - patient.apex + 0.75 * across) / (patient.rib_spacing * 1.25) + numpy.float32(0.4)
    for phase, thickness, weight in ((behind, 0.30, 1.0), (in_front, 0.24, 0.55)):
        band = smooth((zigzag(phase) - 1 + thickness) / 0.18)
        image += cage * band * patient.rib_strength * weight * body
    collar = numpy.abs(v - patient.apex - 0.20 + 0.16 * across) - 0.026
    image += edge(collar / pixel / 2) * smooth((0.78 - across) / 0.1) * smooth((across - 0.07) / 0.05) * 0.10 * body
    return image, lungs


def _bacterial(draws, patient, u, v):
    """How dense the patches are, 0 to 1, (count, size, size), and where they are drawn."""
    density = numpy.zeros_like(u)
    for number in range(2):
        # A second, smaller patch in a third of the cases.
        present = 1 if number == 0 else draws.between(0, 1) < numpy.float32(0.33)
        side = patient.worse_side if number == 0 else -patient.worse_side
        centre_u = side * draws.between(0.36, 0.56)
        centre_v = patient.focus + draws.between(-0.05, 0.05) + (draws.between(-0.3, 0.3) if number else 0)
        radius = draws.between(0.13, 0.26) * (1 if number == 0 else numpy.float32(0.6))
        patch = numpy.zeros_like(u)
        for _ in range(4):
            away_u, away_v = draws.between(-1, 1) * radius, draws.between(-1, 1) * radius
            part = 1 - length(u - centre_u - 0.7 * away_u, v - centre_v - 0.7 * away_v) / radius
            patch = numpy.maximum(patch, smooth(part * 2.2))
        # A fissure between two lobes bounds some patches sharply.
        beyond = smooth((v - centre_v - 0.35 * radius + 0.10 * (u - centre_u)) / 0.03)
        patch = patch * numpy.where(draws.between(0, 1) < numpy.float32(0.4), 1 - beyond, 1)
        density = numpy.maximum(density, patch * present)
    mottled = 0.75 + 0.5 * draws.noise(u, v, 12)
    return numpy.clip(density * mottled, 0, 1), density


def _viral(draws, patient, u, v):
    """As :func:`_bacterial`: a net of fine lines, densest around the middle, in both lungs."""
    lines = numpy.zeros_like(u)
    for cells in (11, 15, 21):
        ridge = 1 - numpy.abs(draws.noise(u, v, cells) - numpy.float32(0.5)) * 11
        lines = numpy.maximum(lines, smooth(ridge) * draws.between(0.5, 1))
    uneven = smooth(draws.noise(u, v, 3) * 1.6 - 0.1)
    reach = 1 - smooth((length(numpy.abs(u) - 0.28, (v + 0.05) * 0.8) - 0.12) / 0.42)
    spread = numpy.maximum(reach, 0.3) * uneven
    return spread * (0.6 * lines + 0.4), spread


def _draw(generator, patients, numbers, kind, size):
    count = len(numbers)
    draws, patient = Draws(generator, count), patients.of(numbers)
    ticks = (numpy.arange(size, dtype=numpy.float32) + numpy.float32(0.5)) * numpy.float32(2 / size) - 1
    x, y = ticks[None, None, :], ticks[None, :, None]
    # Pose: a little turned, moved and enlarged; the chest's own width.
    tilt, zoom = draws.between(-0.07, 0.07), draws.between(0.94, 1.10)
    cosine = 1 / length(tilt, numpy.float32(1))
    moved_x, moved_y = x - draws.between(-0.06, 0.06), y - draws.between(-0.05, 0.07)
    u = (moved_x * cosine + moved_y * tilt * cosine) / zoom / patient.width
    v = (moved_y * cosine - moved_x * tilt * cosine) / zoom
    image, lungs = _chest(draws, patient, u, v)

    opacity = numpy.zeros_like(image)
    if kind:
        density, region = (_bacterial if kind == 1 else _viral)(draws, patient, u, v)
        # From faint to severe; images of a patient are of different days.
        severity = numpy.clip(patient.severity + draws.between(-0.15, 0.15), 0, 1)
        strength = 0.06 + (0.75 if kind == 1 else 0.55) * severity
        image += lungs * density * strength * (numpy.float32(0.72) - image)
        opacity = lungs * region

    # The film: uneven light, exposure, contrast, grain; a letter in a corner that means nothing.
    image *= 1 + 0.05 * (u * draws.between(-1, 1) + v * draws.between(-1, 1))
    middle = draws.between(0.36, 0.48)
    image = draws.between(0.40, 0.54) + (image - middle) * draws.between(0.85, 1.15)
    corner = draws.between(0.70, 0.82) * numpy.where(draws.between(0, 1) < numpy.float32(0.5), -1, 1)
    letter = numpy.maximum(numpy.abs(x - corner), numpy.abs(y + draws.between(0.74, 0.88))) - 0.035
    image += edge(letter * size / 2) * (draws.between(0, 1) < numpy.float32(0.5)) * (0.9 - image)
    image = image * 255 + draws.grain(image.shape) * draws.between(0.02, 0.07)
    seen = lungs > 0.5
    return numpy.clip(image, 0, 255).astype(numpy.uint8), seen, seen & (opacity > 0.3)


def _draw_set(patients, image_size, seed, part, mislabelled):
    generator = numpy.random.default_rng([seed, part])
    kinds = numpy.repeat(numpy.arange(3), [patients * share // 20 for share in _OF_TWENTY_PATIENTS])
    kinds = kinds[numpy.argsort(generator.integers(0, 2**62, size=len(kinds)), kind="stable")]
    builds = _Patients(generator, len(kinds))
    counts = [generator.integers(low, high + 1) for low, high in (_IMAGES_A_PATIENT[kind] for kind in kinds)]
    numbers = numpy.repeat(numpy.arange(len(kinds)), counts)
    labels = kinds[numbers].astype(numpy.int64)
    shape = (len(numbers), image_size, image_size)
    images, lungs, opacities = (numpy.empty(shape, dtype) for dtype in (numpy.uint8, bool, bool))
    for kind in range(len(CLASSES)):
        members = numpy.flatnonzero(labels == kind)
        for start in range(0, len(members), _BATCH):
            batch = members[start : start + _BATCH]
            drawn = _draw(generator, builds, numbers[batch], kind, image_size)
            images[batch], lungs[batch], opacities[batch] = drawn
    # Wrong labels are a patient's, not an image's: the physician was mistaken, the drawing is what it is.
    wrong = numpy.random.default_rng([seed, part, 1]).permutation(len(kinds))[: int(mislabelled * len(kinds))]
    named = kinds.astype(numpy.int64)
    named[wrong] = numpy.roll(named[wrong], 1)
    return Radiographs(images, named[numbers], numbers, lungs, opacities)


def load(seed=0, train=500, test=160, image_size=128, mislabelled=0.04):
    """Radiographs for training and test; no patient is in both.

    Args:
        seed: whole number of at least 0; another seed draws other patients.
        train, test: how many patients, at least 20; each has one to four images, about two on average.
        image_size: pixels a side, at least 32.
        mislabelled: the share of the patients that exchange labels among themselves, 0 to 1.

    Returns:
        Two :class:`Radiographs`, training and test; the test patients' numbers go on where those of training end.
    """
    for name, value, least in (("train", train, 20), ("test", test, 20), ("image_size", image_size, 32)):
        if value < least:
            raise ValueError(f"{name} must be at least {least}; got {value}")
    learn = _draw_set(train, image_size, seed, 0, mislabelled)
    judge = _draw_set(test, image_size, seed, 1, mislabelled)
    return learn, judge._replace(patients=judge.patients + learn.patients.max() + 1)
