"""What the feature bank and the decoder save, and how much memory the bank takes.

usage: python benchmarks/images.py [decode] [extraction] [experiments] [memory] [--rounds 5] [--backbone auto]

- decode: ``image_files.pixels`` against Keras' ``image_dataset_from_directory``, on JPEG files made for it.
- extraction: VGG16 at 224 pixels through ``feature_bank.features`` in the precision it chooses against float32, and
  against PyTorch's best (channels last, bfloat16) where torch is installed: ``pip install .[bench]``.
- experiments: experiments 1 to 3 of lesson 06 from a bank against Keras' ``fit`` through the frozen body with
  augmentation, float32. The plain side's time is that of its steps, taken in turn with steps from the bank, times their
  number; whether both reach the same score is checked on the embedded radiographs.
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
EPOCHS, EXPERIMENT_COUNT, BATCH = 10, 3, 32


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

    from dlcourse import image_files

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
                image_files.pixels(files, 224)

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
    met = verdict(f"VGG16 in {precision} against float32", ratios, EXTRACTION)
    if torch_bank:
        ratios = [slow / quick for slow, quick in zip(times["torch"], times["chosen"], strict=True)]
        met &= verdict("VGG16 against PyTorch, channels last, bfloat16", ratios, AHEAD)
    else:
        print("  PyTorch is not installed (pip install .[bench]): not compared")
    return met


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
    """Experiments 1 to 3 of lesson 06, from the bank and the plain way."""
    import keras
    import numpy as np
    from keras import layers
    from sklearn import metrics

    from dlcourse import backbones, evaluation, feature_bank, image_files

    name = backbones.choose(options.backbone, own="vgg16")
    size, views = (64 if name == backbones.STAND_IN else 160), 4
    chests = image_files.load_radiographs(source="auto", seed=0)
    parts = {split: chests.part(split) for split in ("train", "validation", "test")}
    x = {split: image_files.pixels(part["file"], size) for split, part in parts.items()}
    y = {split: part["label"].to_numpy() for split, part in parts.items()}
    augment = keras.Sequential(
        [
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(15 / 360, fill_mode="constant"),
            layers.RandomTranslation(0.08, 0.08, fill_mode="constant"),
            layers.RandomZoom(0.15, fill_mode="constant"),
            layers.RandomBrightness(0.15),
            layers.RandomContrast(0.25),
        ]
    )
    body = backbones.load(name, size).model

    def head():
        keras.utils.set_random_seed(0)
        dense = [layers.Dense(256, activation="relu"), layers.Dropout(0.5), layers.Dense(128, activation="relu")]
        top = [layers.Dropout(0.5), layers.Dense(2, activation="softmax")]
        return keras.Sequential([keras.Input(body.output_shape[1:]), layers.Flatten(), *dense, *top])

    def compiled(model):
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
        return model

    with tempfile.TemporaryDirectory() as folder:
        os.environ["DLCOURSE_CACHE"] = folder
        started = time.perf_counter()
        bank = feature_bank.features(body, x["train"], augment=augment, views=views)
        filled = time.perf_counter() - started
        plain = compiled(keras.Sequential([keras.Input((size, size, 3)), augment, *body.layers, head()]))
        quick = compiled(head())
        pixels, maps, labels = (
            x["train"][:BATCH].astype("float32"),
            bank[0, :BATCH].astype("float32"),
            y["train"][:BATCH],
        )
        times = {"plain": [], "bank": []}
        for _ in range(options.steps + 2):
            times["plain"].append(seconds(lambda: plain.train_on_batch(pixels, labels)))
            times["bank"].append(seconds(lambda: quick.train_on_batch(maps, labels)))
        steps = EXPERIMENT_COUNT * EPOCHS * -(-len(y["train"]) // BATCH)
        paired = list(zip(times["plain"][2:], times["bank"][2:], strict=True))  # the first two trace and warm up
        tenths = [paired[start::10] for start in range(10)]
        ratios = [
            steps * statistics.mean(slow for slow, _ in part)
            / (filled + steps * statistics.mean(fast for _, fast in part))
            for part in tenths
        ]  # fmt: skip
        print(f"  {body.name} at {size} pixels, {len(y['train'])} {chests.source} images, {views} views; bank filled "
              f"in {filled:.0f} s; {steps} steps of {statistics.median(times['plain']):.3f} s and "
              f"{statistics.median(times['bank']):.4f} s")  # fmt: skip
        met = verdict("experiments 1 to 3 from the bank", ratios, EXPERIMENTS)
        if not options.scores:
            return met
        rows = np.random.default_rng(0).permutation(len(y["train"]))[: options.scores]
        plain, quick = (
            compiled(keras.Sequential([keras.Input((size, size, 3)), augment, *body.layers, head()])),
            compiled(head()),
        )
        plain.fit(x["train"][rows].astype("float32"), y["train"][rows], batch_size=BATCH, epochs=EPOCHS, verbose=0)
        quick.fit(feature_bank.Batches(bank[:, rows], y["train"][rows], BATCH, seed=0), epochs=EPOCHS, verbose=0)
        held_out = np.concatenate([x["validation"], x["test"]])
        truth = np.concatenate([y["validation"], y["test"]])
        slow = plain.predict(held_out.astype("float32"), batch_size=BATCH, verbose=0)[:, 1]
        fast = quick.predict(feature_bank.features(body, held_out)[0].astype("float32"), verbose=0)[:, 1]
    gap = evaluation.difference(metrics.roc_auc_score, truth, slow, fast)
    equal = gap.low > -0.01
    print(f"  AUROC on {len(truth)} held-out images after {EPOCHS} epochs on {len(rows)}: bank minus plain {gap}: "
          f"{'no worse by a point or more' if equal else 'WORSE'}")  # fmt: skip
    return met and equal


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


PARTS = {"decode": decode, "extraction": extraction, "experiments": experiments, "memory": memory}


def main() -> int:
    """Returns 0 if every part that was asked for meets its target, else 1."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100, help="steps taken in turn by either side of the experiments")
    parser.add_argument("--scores", type=int, default=600, help="images of the subset on which scores are compared")
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
        met &= PARTS[part](options)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
