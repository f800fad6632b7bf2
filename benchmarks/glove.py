"""How much sooner, and in how much less memory, GloVe's vectors load through the memory map.

usage: python benchmarks/glove.py [--lines 400000] [--rounds 5]

A file like GloVe 6B's is made in a temporary folder. Then two readers take turns, each in a fresh process: the plain
one of the report, which reads the text into a dict of word to float64 array, and ``vocabularies.load_word_vectors``,
whose memory map the first load has made. Each looks up the same words in the end. Memory is the process's peak above
that of a process that imports the same modules and reads nothing.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

# The parent imports nothing heavy: on Linux a child's peak starts at what its parent held.
TARGET_TIME, TARGET_MEMORY = 1 / 10, 1 / 4
SOUGHT = ("the", "pneumonia", "word7", "word99", "nosuchword")


def make_file(path: Path, lines: int) -> None:
    """Write `lines` words of 50 numbers with GloVe's five significant digits, the words as long as GloVe's mostly."""
    import numpy as np

    generator = np.random.default_rng(0)
    # Formatting 20 million numbers takes minutes; rows of five stored tenths differ as well.
    tenths = [" ".join(f"{value:.5g}" for value in row) for row in generator.normal(0, 0.4, (2000, 10))]
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for number, row in enumerate(generator.integers(0, len(tenths), (lines, 5))):
            word = SOUGHT[number] if number < 2 else f"word{number}"
            file.write(f"{word} {' '.join(tenths[tenth] for tenth in row)}\n")


def read_plainly(path: Path) -> dict:
    """The report's reader: every line split, every vector an array of its own."""
    import numpy as np

    vectors = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            word, *numbers = line.strip().split()
            vectors[word] = np.array(numbers, dtype=np.float64)
    return vectors


def measure(reader: str, path: Path) -> dict:
    """Run one reader in this process: seconds, peak memory in MB and the sum of what was looked up."""
    import time

    import numpy as np

    from dlcourse import runtime, vocabularies

    started = time.perf_counter()
    total = 0.0
    if reader == "plain":
        vectors = read_plainly(path)
        total = float(sum(vectors.get(word, np.zeros(50)).sum() for word in SOUGHT))
    elif reader == "mapped":
        vectors = vocabularies.load_word_vectors(source="real")
        total = float(sum(vectors[word].sum() for word in SOUGHT))
    return {"seconds": time.perf_counter() - started, "megabytes": runtime.peak_memory_mb(), "total": total}


def in_fresh_process(folder: Path, *arguments: str) -> dict:
    """Run this script with `arguments` in a process of its own and return what it prints."""
    environment = os.environ | {
        "DLCOURSE_DATA": str(folder),
        "DLCOURSE_CACHE": str(folder / "cache"),
        "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
    }
    command = [sys.executable, __file__, *arguments, "--file", str(folder / "glove" / "glove.6B.50d.txt")]
    finished = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(finished.stdout or "{}")


def show(name: str, values: list[float], unit: str) -> None:
    """Print the median of `values` with its spread."""
    print(f"  {name:12} {statistics.median(values):9.3f} {unit}  ({min(values):.3f} to {max(values):.3f})")


def compare(lines: int, rounds: int) -> bool:
    """Measure in turn, print both readers and their ratios, and return whether both targets are met."""
    measured = {"nothing": [], "plain": [], "mapped": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_fresh_process(folder, "--make", "--lines", str(lines))
        first = in_fresh_process(folder, "--reader", "mapped")
        for _ in range(rounds):
            for reader, results in measured.items():
                results.append(in_fresh_process(folder, "--reader", reader))
    base = statistics.median(result["megabytes"] for result in measured["nothing"])
    seconds = {reader: [result["seconds"] for result in results] for reader, results in measured.items()}
    memory = {reader: [result["megabytes"] - base for result in results] for reader, results in measured.items()}
    print(f"{lines:,} words of 50 numbers, {rounds} rounds; median (lowest to highest)")
    for reader in ("plain", "mapped"):
        show(reader, seconds[reader], "s ")
        show(reader, memory[reader], "MB")
    print(f"  the first load, which makes the map: {first['seconds']:.1f} s; imports alone: {base:.0f} MB")
    difference = abs(measured["plain"][0]["total"] - measured["mapped"][0]["total"])
    assert difference < 1e-3, f"the readers disagree by {difference}"
    met = True
    for what, values, target in (("time", seconds, TARGET_TIME), ("memory", memory, TARGET_MEMORY)):
        ratios = [ours / theirs for ours, theirs in zip(values["mapped"], values["plain"], strict=True)]
        show(f"{what} ratio", ratios, "  ")
        met &= statistics.median(ratios) <= target
        print(f"    target: at most {target}: {'met' if statistics.median(ratios) <= target else 'MISSED'}")
    return met


def main() -> int:
    """Returns 0 if the memory map meets both targets, else 1."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lines", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reader", choices=("nothing", "plain", "mapped"), help=argparse.SUPPRESS)
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make_file(options.file, options.lines)
    elif options.reader:
        print(json.dumps(measure(options.reader, options.file)))
    else:
        return 0 if compare(options.lines, options.rounds) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
