"""The drawn pets and radiographs as image files, named as the real ones are, so that one loader reads either.

They are drawn where they are not there yet, or were drawn by another version of this project.
"""

import hashlib
import shutil
import tempfile
from pathlib import Path

from PIL import Image

from dlcourse import paths
from dlcourse.samples import drawing, pets, radiographs


def pets_folder() -> Path:
    """The folder of `cat/` and `dog/`."""
    return _drawn("pets", pets, _draw_pets)


def radiographs_folder() -> Path:
    """The folder of `train/` and `test/`, each with `NORMAL/` and `PNEUMONIA/`; `lungs/` and `opacities/` are masks."""
    return _drawn("radiographs", radiographs, _draw_radiographs)


def _draw_pets(folder: Path) -> None:
    images, labels = pets.load()
    _write(images, [folder / (kind := pets.CLASSES[y]) / f"{kind}.{i}.png" for i, y in enumerate(labels)])


def _draw_radiographs(folder: Path) -> None:
    for split, part in zip(("train", "test"), radiographs.load(), strict=True):
        names = []
        for number, (label, patient) in enumerate(zip(part.labels, part.patients, strict=True)):
            kind = (None, "bacteria", "virus")[label]
            name = f"person{patient}_{kind}_{number}.png" if kind else f"IM-{patient:04}-{number:04}.png"
            names.append(("PNEUMONIA/" if kind else "NORMAL/") + name)
        _write(part.images, [folder / split / name for name in names])
        for masks in ("lungs", "opacities"):
            _write(getattr(part, masks), [folder / masks / split / name for name in names])


def _drawn(name: str, module, draw) -> Path:
    """The folder of drawn images, drawn where it is not there yet."""
    sources = b"".join(Path(part.__file__).read_bytes() for part in (drawing, module))
    folder = paths.cache() / "samples" / f"{name}-{hashlib.sha256(sources).hexdigest()[:12]}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{name}-"))
        try:
            draw(unfinished)
            try:
                unfinished.rename(folder)
            except OSError:
                if not folder.exists():  # else another lesson was quicker
                    raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _write(images, files: list[Path]) -> None:
    for image, file in zip(images, files, strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file, compress_level=1)
