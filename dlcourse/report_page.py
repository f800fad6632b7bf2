"""The report page: every lesson's scores against the expected ones, its cost, its figures and its models."""

import base64
import contextlib
import html
import json
import os
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from dlcourse import paths, reports, web_pages

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>dlcourse: results</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 68rem; margin: 0 auto; padding: 1rem; }
h1 { margin-bottom: 0 } h2, p { overflow-wrap: anywhere }
h2 { border-top: 1px solid #ddd; padding-top: 1.2rem; margin-top: 2rem }
.facts, figcaption { color: #555; font-size: .9rem }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #eee; white-space: nowrap }
th:first-child, td:first-child { text-align: left } nav { font-size: .9rem } nav th, nav td { padding: .3rem .55rem }
.good { color: #00664b; font-weight: 600 } .bad { color: #b03a00; font-weight: 600 }
.main { margin-bottom: 1rem } .figures figcaption { font-size: .8rem }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1rem }
figure { margin: 0; break-inside: avoid } img { max-width: 100%; height: auto }
tr, .facts { break-inside: avoid } h2, thead { break-after: avoid }
@media (max-width: 40rem) { th, td { padding: .25rem .4rem; font-size: .85rem } }
@media print { body { font-size: 11px; max-width: none } a { color: inherit } th, td { white-space: normal } }
</style></head><body>
<h1>dlcourse: results</h1>
<p>Reported is what the course report a lesson grew out of printed; expected comes from several seeds of this course,
with what a run may fall short by; got is this run, with its 95 % interval, whose better end counts.</p>
{contents}
{sections}
</body></html>
"""


# Of several figures the one that tells most, by name.
_MAIN = (
    "scores", "seeds", "heat", "outlines", "progress", "label_budgets", "maps", "tsne_classes", "sample_predictions",
    "kernels",
)  # fmt: skip


def write(lessons: list[str]) -> Path:
    """Write ``outputs/index.html``: every lesson's scores against the expected ones, its cost, figures and models.

    The page is self-contained: figures are embedded, nothing is fetched. Its links lead to files beside it, among them
    each executed notebook as a page of its own, written anew where it is not up to date.

    Returns:
        The page's path.
    """
    page = paths.outputs() / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    for lesson in lessons:
        _write_lesson(paths.outputs() / lesson / f"{lesson}.ipynb")
    contents = _contents(reports.summary(lessons))
    sections = "\n".join(_section(lesson) for lesson in lessons)
    partial = page.with_suffix(".part")
    partial.write_text(_PAGE.replace("{contents}", contents).replace("{sections}", sections), encoding="utf-8")
    partial.replace(page)
    return page


def _write_lesson(notebook: Path) -> None:
    """The executed notebook as a web page beside it, unless that is there already."""
    page = notebook.with_suffix(".html")
    if notebook.exists() and not (page.exists() and page.stat().st_mtime >= notebook.stat().st_mtime):
        with contextlib.suppress(ValueError):  # a stopped run may have left half a file
            web_pages.write(notebook)


def _contents(table: pd.DataFrame) -> str:
    table = table.rename(columns={"status": "run"})
    table["lesson"] = [f"<a href='#{lesson}'>{html.escape(lesson)}</a>" for lesson in table["lesson"]]
    for column in set(table) - {"lesson"}:
        table[column] = table[column].map(html.escape)
    shown = table.to_html(index=False, border=0, escape=False)
    for status, look in (("ok", "good"), ("FELL SHORT", "bad"), ("FAILED", "bad")):
        shown = shown.replace(f"<td>{status}</td>", f"<td class='{look}'>{status}</td>")
    return f"<nav class='scroll'>{shown}</nav>"


def _section(lesson: str) -> str:
    folder = paths.outputs() / lesson
    record = reports.read_metrics(folder)
    heading = f"<h2 id='{lesson}'>{html.escape(lesson)}</h2>"
    failed = folder / "failure.json"
    if failed.exists():
        failure = json.loads(failed.read_text(encoding="utf-8"))
        said = f"Failed in cell {failure['cell']}: {html.escape(failure['error'])}"
        return f"<section>{heading}<p class='bad'>{said}</p>{_links(folder, None)}</section>"
    if record is None and not (folder / "run.json").exists():
        return f"<section>{heading}<p>Not run yet: <code>make {lesson}</code></p></section>"
    scores = _scores(record) if record else "<p class='facts'>This lesson computes no scores.</p>"
    pictures = sorted(folder.glob("*.png"), key=lambda path: (_rank(path), path.name))
    main, others = map(_figures, (pictures[:1], pictures[1:]))
    links = _links(folder, record)
    return (
        f"<section>{heading}{scores}{links}<div class='main'>{main}</div><div class='figures'>{others}</div></section>"
    )


def _rank(picture: Path) -> int:
    return _MAIN.index(picture.stem) if picture.stem in _MAIN else len(_MAIN)


def _figures(pictures: list[Path]) -> str:
    return "".join(
        f"<figure><img alt='{html.escape(picture.stem.replace('_', ' '))} of {picture.parent.name}' "
        f"src='data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}'>"
        f"<figcaption>{html.escape(picture.stem.replace('_', ' '))}</figcaption></figure>"
        for picture in pictures
    )


def _links(folder: Path, record: dict | None) -> str:
    files = {
        "the executed lesson": folder / f"{folder.name}.html",
        "as a notebook": folder / f"{folder.name}.ipynb",
        "its log": folder / "run.log",
        "all its numbers": folder / "metrics.json",
    }
    for model in map(Path, record["models"] if record else ()):
        files |= {model.name: model, f"{model.stem}'s card": model.with_suffix(".json")}
    links = (
        f"<a href='{quote(os.path.relpath(path, paths.outputs()))}'>{html.escape(label)}</a>"
        for label, path in files.items()
        if path.exists()
    )
    return f"<p>{' · '.join(links)}</p>"


def _scores(record: dict) -> str:
    rows = []
    for metric, row in reports.compare(record).iterrows():
        known, score = row["expected"] is not None, record["scores"][metric]
        interval = [score.get(end) for end in ("low", "high")]
        got = reports.shown(metric, row["got"])
        if None not in interval:
            got += f" [{', '.join(reports.shown(metric, end) for end in interval)}]"
        expected = reports.shown(metric, row["expected"]) if known else "–"
        if known and row["tolerance"] is not None:
            expected += f" ± {reports.shown(metric, row['tolerance'])}"
        printed = "–" if row["reported"] is None else reports.shown(metric, row["reported"])
        look = {"FAIL": " class='bad'", "pass": " class='good'"}.get(row["verdict"], "")
        cells = "".join(f"<td>{cell}</td>" for cell in (printed, expected, got))
        name = html.escape(metric.replace("_", " "))
        rows.append(f"<tr><td>{name}</td>{cells}<td{look}>{row['verdict']}</td></tr>")
    heads = "".join(f"<th>{head}</th>" for head in ("score", "reported", "expected", "got", "verdict"))
    origin, cost = record["provenance"], record["cost"]
    facts = (
        f"{origin['source']} data ({origin['data']}) · {origin['weights']} · {origin['profile']} · "
        f"seed {origin['seed']} · {origin['precision']} · {origin['device']} · "
        f"{cost['minutes']:.1f} min · {cost['peak_memory_mb']:,.0f} MB"
    )
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f"<p class='facts'>{html.escape(facts)}</p><div class='scroll'>{table}</div>"
