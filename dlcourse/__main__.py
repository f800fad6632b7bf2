"""``python -m dlcourse``: what the Makefile calls, for whoever prefers to type it."""

import argparse
import sys

import pandas as pd

from dlcourse import batch, fetching, paths, report_page, reports
from dlcourse.service import server


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m dlcourse", description="The course from the command line.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    fetching.add_arguments(commands.add_parser("data", help="list, fetch or verify the real datasets"))
    run = commands.add_parser("run", help="execute one lesson's notebook headless")
    run.add_argument("lesson", help="such as 02_digits_cnn")
    commands.add_parser("refresh", help="mark lessons stale whose settings or products changed (make calls it)")
    commands.add_parser(
        "report", help="the table of the last runs, and outputs/index.html; exit status 1 if one failed or fell short"
    )
    record = commands.add_parser(
        "record", help="add the last full runs to docs/results, compute what is expected, and update the README's table"
    )
    record.add_argument("lessons", nargs="*", help="lessons whose outputs/…/metrics.json to add; none: only compute")
    seeds = commands.add_parser("seeds", help="mean, spread and tolerance of what `make seeds` has run")
    seeds.add_argument("lesson", help="such as 02_digits_cnn")
    seeds.add_argument("count", type=int, help="how many, from seed 0 on")
    commands.add_parser("handouts", help="what a teacher hands out, in outputs/handouts/ (needs the extra classroom)")
    commands.add_parser("grading", help="set up the folder grading/ for nbgrader (needs the extra classroom)")
    server.add_arguments(commands.add_parser("serve", help="the Emojify API and the demo page (needs the extra serve)"))
    parsed = parser.parse_args(arguments)

    lessons = [path.stem for path in paths.notebooks()]
    if parsed.command == "data":
        return fetching.main(parsed)
    if parsed.command == "seeds":
        return _seeds(parsed.lesson, parsed.count)
    if parsed.command in ("handouts", "grading"):
        return _classroom(parsed.command, lessons)
    if parsed.command == "serve":
        return server.main(parsed)
    if parsed.command == "run":
        return batch.run(parsed.lesson)
    if parsed.command == "record":
        return _record(parsed.lessons)
    if parsed.command == "report":
        print(f"\n{report_page.write(lessons)}\n")
        return batch.summarise(lessons)
    batch.refresh(lessons)
    return 0


def _classroom(command: str, lessons: list[str]) -> int:
    try:
        from dlcourse.classroom import grading, handouts
    except ImportError as error:
        print(f"{command} needs {error.name}, which `make setup` in {paths.ROOT} installs", file=sys.stderr)
        return 2
    return handouts.write(lessons) if command == "handouts" else grading.prepare(paths.ROOT / "grading", lessons)


def _seeds(lesson: str, count: int) -> int:
    folder = paths.outputs() / "seeds"
    records = [record for seed in range(count) if (record := reports.read_metrics(folder / str(seed) / lesson))]
    if not records:
        print(f"no finished run of {lesson} in {folder}: `make seeds LESSON={lesson} SEEDS=5` first", file=sys.stderr)
        return 1
    rows, reported = folder / f"{lesson}.csv", pd.read_csv(paths.results() / "reported.csv")
    rows.unlink(missing_ok=True)
    expected = reports.summarise_runs(reports.add_runs(records, rows), reported)
    expected.to_csv(folder / f"{lesson}_expected.csv", index=False)
    print(expected[["metric", "source", "expected", "deviation", "tolerance", "seeds"]].to_string(index=False))
    print(f"\nthe runs: {rows}\nto add them to the checked-in ones: DLCOURSE_OUTPUTS={folder}/SEED "
          f"{sys.executable} -m dlcourse record {lesson}, for each SEED")  # fmt: skip
    return 0


def _record(lessons: list[str]) -> int:
    records = {lesson: reports.read_metrics(paths.outputs() / lesson) for lesson in lessons}
    missing = [name for name, record in records.items() if not record or record["provenance"]["profile"] != "full"]
    if missing:
        print(f"no full run of {', '.join(missing)} in {paths.outputs()}: `make {missing[0]}` first", file=sys.stderr)
        return 1
    runs = reports.add_runs(list(records.values()))
    reported = pd.read_csv(paths.results() / "reported.csv")
    expected = reports.summarise_runs(runs, reported)
    expected.to_csv(paths.results() / "expected.csv", index=False)
    readme = paths.ROOT / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(reports.TABLE_STARTS)
    after = rest.partition(reports.TABLE_ENDS)[2]
    table = reports.results_table(expected, reported)
    readme.write_text(f"{before}{reports.TABLE_STARTS}\n{table}\n{reports.TABLE_ENDS}{after}", encoding="utf-8")
    print(expected.to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
