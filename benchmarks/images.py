"""What the feature bank and the decoder save, and how much memory the bank takes.

usage: python benchmarks/images.py [decode] [extraction] [experiments] [scores] [memory] [--rounds 5] [--backbone auto]

- decode: ``decoding.pixels`` against Keras' ``image_dataset_from_directory``, on JPEG files made for it.
- extraction: VGG16 at 224 pixels through ``feature_bank.features`` in the precision it chooses against float32, and
  against PyTorch's best (channels last, bfloat16) where torch is installed: ``pip install .[bench]``. Four times the
  float32 rate is asked of processors with matrix units (AMX); of others, nearly what bfloat16 gains on plain matrices.
- experiments: experiments 1 to 3 of lesson 06 (VGG16, 224 pixels) from a bank against Keras' ``fit`` through the frozen
  body with augmentation, float32. Each side's time is that of its steps, taken in turn, times their number; the bank's
  includes filling it. Validation is left out on both sides.
- scores: whether both reach the same AUROC, learning from a fourth of the patients and judged on the others; with the
  weights at hand.
- memory: peak of a process that fills a bank for 6,000 images.

Two things that are compared take turns in one run; quoted is the median of the ratios with the lowest and highest.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DECODE, EXTRACTION, AHEAD, EXPERIMENTS, MEMORY_MB = 1.0, 4.0, 1.0, 15.0, 2048
EPOCHS, EXPERIMENT_COUNT, BATCH, VIEWS = 10, 3, 32, 3  # as in lesson 06
TRAINING_IMAGES = 4_564  # of the real radiographs, less the eighth that validates


def verdict(what: str, ratios: list[float], target: float) -> bool:
    """Print how many times sooner, and whether that is enough."""
    middle = statistics.median(ratios)
    met = middle >= target
    print(f"  {what}: {middle:.2f} times ({min(ratios):.2f} to {max(ratios):.2f}); target: at least {target:g}: "
          f"{'met' if met else 'MISSED'}", flush=True)  # fmt: skip
    return met


def seconds(function) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def decode(options) -> bool:
    """Files to arrays of 224 pixels, from small and from large originals."""
    import keras
    import numpy as np
    from PIL import Image

    from dlcourse import decoding

    met = True
    for side, count in ((224, 800), (1200, 200)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "pictures")
            folder.mkdir()
            smooth = np.random.default_rng(0).integers(0, 256, (count, 24, 32, 3), dtype=np.uint8)
            for number, pixels in enumerate(smooth):
                picture = Image.fromarray(pixels).resize((side, 3 * side // 4), Image.Resampling.BICUBIC)
                picture.save(folder / f"{number:04}.jpg", quality=90)
            files = sorted(folder.glob("*.jpg"))

            def plain(folder=folder):
                dataset = keras.utils.image_dataset_from_directory(
                    folder, labels=None, shuffle=False, image_size=(224, 224), batch_size=BATCH, verbose=False
                )
                for _ in dataset:
                    pass

            def ours(files=files, name=name):
                os.environ["DLCOURSE_CACHE"] = tempfile.mkdtemp(dir=name)
                decoding.pixels(files, 224)

            plain(), ours()
            ratios = [seconds(plain) / seconds(ours) for _ in range(options.rounds)]
        met &= verdict(f"decode, {count} files of {side} pixels", ratios, DECODE)
    return met


def extraction(options) -> bool:
    """VGG16's feature maps of 64 images of 224 pixels."""
    import numpy as np

    from dlcourse import backbones, feature_bank, precisions

    images = np.random.default_rng(0).integers(0, 256, (64, 224, 224, 3), dtype=np.uint8)
    vgg16 = backbones.load("vgg16", 224, weights="random").model
    precision = precisions.fastest_for(vgg16, images[:BATCH])

    def bank(precision):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["DLCOURSE_CACHE"] = folder
            feature_bank.features(vgg16, images, precision=precision)

    torch_bank = _torch_vgg16(images)
    times = {"float32": [], "chosen": [], "torch": []}
    for _ in range(options.rounds):
        times["float32"].append(seconds(lambda: bank("float32")))
        times["chosen"].append(seconds(lambda: bank(precision)))
        if torch_bank:
            times["torch"].append(seconds(torch_bank))
    rates = {name: len(images) / statistics.median(values) for name, values in times.items() if values}
    print("  images a second:", {name: round(rate, 1) for name, rate in rates.items()}, "- chosen:", precision)
    if precision == "float32":
        print("  this machine has no fast bfloat16: nothing to compare")
        return True
    ratios = [slow / quick for slow, quick in zip(times["float32"], times["chosen"], strict=True)]
    ceiling = _bfloat16_gain()
    print(f"  matrices alone are multiplied {ceiling:.1f} times as fast in bfloat16 here (AMX: 8 times and more)")
    met = verdict(f"VGG16 in {precision} against float32", ratios, min(EXTRACTION, 0.85 * ceiling))
    if torch_bank:
        ratios = [slow / quick for slow, quick in zip(times["torch"], times["chosen"], strict=True)]
        met &= verdict("VGG16 against PyTorch, channels last, bfloat16", ratios, AHEAD)
    else:
        print("  PyTorch is not installed (pip install .[bench]): not compared")
    return met


def _bfloat16_gain() -> float:
    """How many times as fast this machine multiplies matrices in bfloat16 as in float32: what its units can give."""
    import tensorflow as tf

    product = tf.function(lambda matrix: tf.linalg.matmul(matrix, matrix))
    matrices = [tf.cast(tf.random.uniform((2048, 2048)), dtype) for dtype in (tf.float32, tf.bfloat16)]
    slow, fast = (min(seconds(lambda m=matrix: product(m).numpy()) for _ in range(6)) for matrix in matrices)
    return slow / fast


def _torch_vgg16(images):
    try:
        import torch
    except ImportError:
        return None
    layers, before = [], 3
    for filters, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(convolutions):
            layers += [torch.nn.Conv2d(before, filters, 3, padding=1), torch.nn.ReLU(inplace=True)]
            before = filters
        layers.append(torch.nn.MaxPool2d(2))
    network = torch.nn.Sequential(*layers).eval().to(memory_format=torch.channels_last, dtype=torch.bfloat16)

    def run():
        with torch.inference_mode():
            for start in range(0, len(images), BATCH):
                batch = torch.from_numpy(images[start : start + BATCH]).permute(0, 3, 1, 2)
                network(batch.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)).float().numpy()

    run()
    return run


def experiments(options) -> bool:
    """Experiments 1 to 3 of lesson 06, from the bank and the plain way: VGG16 at 224 pixels."""
    import numpy as np

    from dlcourse import backbones, feature_bank, precisions

    published = "published" if backbones.weights_file("vgg16") else "random"  # the time is the same
    body = backbones.load("vgg16", 224, weights=published).model
    images = np.random.default_rng(0).integers(0, 256, (2 * BATCH, 224, 224, 3), dtype=np.uint8)
    labels = np.arange(BATCH) % 2
    augment = _augmentation()
    plain, quick = _compiled([augment, *body.layers, _head(body)]), _compiled([_head(body)], jit=True)
    started = time.perf_counter()
    precision = precisions.fastest_for(body, images[:BATCH])
    trial = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:

        def fill():
            os.environ["DLCOURSE_CACHE"] = tempfile.mkdtemp(dir=folder)
            bank = feature_bank.features(body, images, precision=precision)
            feature_bank.features(body, images, augment=augment, views=VIEWS - 1, precision=precision)
            return bank

        maps, pixels = fill()[0, :BATCH].astype("float32"), images[:BATCH].astype("float32")
        steps = EXPERIMENT_COUNT * EPOCHS * TRAINING_IMAGES // BATCH
        ratios = []
        for _ in range(10):
            slow, fast = [], []
            for _ in range(max(2, options.steps // 10 + 1)):
                slow.append(seconds(lambda: plain.train_on_batch(pixels, labels)))
                fast.append(seconds(lambda: quick.train_on_batch(maps, labels)))
            filling = seconds(fill) / len(images) * TRAINING_IMAGES
            slow, fast = (steps * statistics.mean(times[1:]) for times in (slow, fast))
            ratios.append(slow / (trial + filling + fast))
    print(
        f"  VGG16 at 224 pixels, {steps:,} steps on {TRAINING_IMAGES:,} images: plain about {slow / 60:.0f} min; "
        f"bank of {VIEWS} views in {precision} {filling / 60:.0f} min, its steps {fast / 60:.1f} min"
    )
    return verdict("experiments 1 to 3 from the bank", ratios, EXPERIMENTS)


def scores(options) -> bool:
    """Whether a network that learned from the bank is as good as one that learned the plain way, on a subset."""
    import numpy as np

    from dlcourse import backbones, decoding, evaluation, feature_bank, image_files

    name = backbones.choose(options.backbone, own="mobilenetv2")
    size = 64 if name == backbones.STAND_IN else 160
    chests = image_files.load_radiographs(source="auto", seed=0)
    table = chests.table[chests.table["split"] != "test"]
    people = np.random.default_rng(0).permutation(table["patient"].unique())
    learned = table["patient"].isin(people[: len(people) // 4])  # with all their images
    x, y = decoding.pixels(table["file"], size), table["label"].to_numpy()
    body, augment = backbones.load(name, size).model, _augmentation()
    plain, quick = _compiled([augment, *body.layers, _head(body)]), _compiled([_head(body)], jit=True)
    rows = np.flatnonzero(learned)
    plain.fit(x[rows].astype("float32"), y[rows], batch_size=BATCH, epochs=EPOCHS, verbose=0)
    bank = [*feature_bank.features(body, x[rows])]
    bank += [*feature_bank.features(body, x[rows], augment=augment, views=VIEWS - 1)]
    quick.fit(feature_bank.Batches(bank, y[rows], BATCH, seed=0), epochs=EPOCHS, verbose=0)
    rest = np.flatnonzero(~learned)
    slow = plain.predict(x[rest].astype("float32"), batch_size=BATCH, verbose=0)[:, 1]
    fast = quick.predict(feature_bank.features(body, x[rest])[0].astype("float32"), verbose=0)[:, 1]
    gap = evaluation.difference(evaluation.auroc, y[rest], slow, fast, groups=table["patient"].to_numpy()[rest])
    equal = max(abs(gap.low), abs(gap.high)) < 0.01
    auroc = evaluation.auroc(y[rest], slow)
    print(
        f"  {name}, {chests.source} images: AUROC of {len(rest)} images after {EPOCHS} epochs on {len(rows)} of other "
        f"patients: plain {auroc:.1%}, bank minus plain {gap}; within a point: {'met' if equal else 'MISSED'}"
    )
    return equal


def _augmentation():
    import keras
    from keras import layers

    return keras.Sequential(
        [
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(15 / 360, fill_mode="constant"),
            layers.RandomTranslation(0.08, 0.08, fill_mode="constant"),
            layers.RandomZoom(0.15, fill_mode="constant"),
            layers.RandomBrightness(0.15),
            layers.RandomContrast(0.25),
        ]
    )


def _head(body):
    """The head of lesson 06."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    dense = [layers.Dense(256, activation="relu"), layers.Dropout(0.5), layers.Dense(128, activation="relu")]
    top = [layers.Dropout(0.5), layers.Dense(2, activation="softmax")]
    return keras.Sequential([keras.Input(body.output_shape[1:]), layers.Flatten(), *dense, *top])


def _compiled(layers, jit=False):
    import keras

    model = keras.Sequential(layers)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=jit)
    return model


def memory(options) -> bool:
    """Peak memory of a fresh process that fills a bank for 6,000 images of 160 pixels with MobileNetV2."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"DLCOURSE_CACHE": folder}
        command = [sys.executable, __file__, "--fill", folder]
        finished = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    peak = json.loads(finished.stdout.splitlines()[-1])["megabytes"]
    met = peak <= MEMORY_MB
    print(f"  peak {peak:,.0f} MB; target: at most {MEMORY_MB:,}: {'met' if met else 'MISSED'}")
    return met


def _fill(folder: Path) -> None:
    import numpy as np

    from dlcourse import backbones, feature_bank, runtime

    images = np.lib.format.open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=(6000, 160, 160, 3))
    images[:] = np.random.default_rng(0).integers(0, 256, (1, 160, 160, 3), dtype=np.uint8)
    images.flush()
    images = np.load(folder / "images.npy", mmap_mode="r")
    lower, _ = backbones.split(backbones.load("mobilenetv2", 160, weights="random").model, "block_12_add")
    feature_bank.features(lower, images)
    print(json.dumps({"megabytes": runtime.peak_memory_mb()}))


PARTS = {"decode": decode, "extraction": extraction, "experiments": experiments, "scores": scores, "memory": memory}


def main() -> int:
    """Returns 0 if every part that was asked for meets its target, else 1."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100, help="steps taken in turn by either side of the experiments")
    parser.add_argument("--backbone", default=os.environ.get("DLCOURSE_BACKBONE", "auto"))
    parser.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fill:
        _fill(options.fill)
        return 0
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"expected parts among {', '.join(PARTS)}; got {', '.join(sorted(unknown))}")
    met = True
    for part in options.parts or PARTS:
        print(f"{part}:", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            os.environ["DLCOURSE_CACHE"] = folder
            met &= PARTS[part](options)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
