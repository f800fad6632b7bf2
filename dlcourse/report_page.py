"""The report page: every lesson's scores against the expected ones, its cost and its figures."""

import base64
import html
import json
from pathlib import Path

from dlcourse import paths, reports

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>dlcourse: results</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 68rem; margin: 0 auto; padding: 1rem; }
h1 { margin-bottom: 0 } h2 { border-top: 1px solid #ddd; padding-top: 1.2rem; margin-top: 2rem }
.facts, figcaption { color: #555; font-size: .9rem }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #eee; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
.good { color: #00664b; font-weight: 600 } .bad { color: #b03a00; font-weight: 600 }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 1rem }
figure { margin: 0; break-inside: avoid } img { max-width: 100%; height: auto }
@media print { body { font-size: 11px } a { color: inherit } }
</style></head><body>
<h1>dlcourse: results</h1>
<p>Reported is what the course report a lesson grew out of printed; expected and its tolerance come from several seeds
of this course; got is this run.</p>
{sections}
</body></html>
"""


def write(lessons: list[str]) -> Path:
    """Write ``outputs/index.html``: every lesson's scores against the expected ones, its cost and its figures.

    The page is self-contained: figures are embedded, nothing is fetched.

    Returns:
        The page's path.
    """
    sections = [_section(lesson) for lesson in lessons]
    page = paths.outputs() / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    partial = page.with_suffix(".part")
    partial.write_text(_PAGE.replace("{sections}", "\n".join(sections)), encoding="utf-8")
    partial.replace(page)
    return page


def _section(lesson: str) -> str:
    folder = paths.outputs() / lesson
    record = reports.read_metrics(folder)
    heading = f"<h2 id='{lesson}'>{html.escape(lesson)}</h2>"
    failed = folder / "failure.json"
    if failed.exists():
        failure = json.loads(failed.read_text(encoding="utf-8"))
        said = f"Failed in cell {failure['cell']}: {html.escape(failure['error'])}"
        return f"<section>{heading}<p class='bad'>{said}</p></section>"
    if record is None and not (folder / "run.json").exists():
        return f"<section>{heading}<p>Not run yet: <code>make {lesson}</code></p></section>"
    scores = _scores(record) if record else "<p class='facts'>This lesson computes no scores.</p>"
    figures = "".join(
        f"<figure><img alt='{html.escape(picture.stem.replace('_', ' '))} of {lesson}' "
        f"src='data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}'>"
        f"<figcaption>{html.escape(picture.stem.replace('_', ' '))}</figcaption></figure>"
        for picture in sorted(folder.glob("*.png"))
    )
    link = f"<p><a href='{lesson}/{lesson}.ipynb'>executed notebook</a></p>"
    return f"<section>{heading}{scores}{link}<div class='figures'>{figures}</div></section>"


def _scores(record: dict) -> str:
    table = reports.compare(record).reset_index()
    numbers = ["reported", "expected", "tolerance"]
    table[numbers] = table[numbers].astype(float)  # so that what is not known becomes a dash
    table["metric"] = table["metric"].str.replace("_", " ")
    shown = table.to_html(index=False, float_format="{:.4f}".format, na_rep="–", border=0)
    for answer, look in (("FAIL", "bad"), ("pass", "good")):
        shown = shown.replace(f"<td>{answer}</td>", f"<td class='{look}'>{answer}</td>")
    origin, cost = record["provenance"], record["cost"]
    facts = (
        f"{origin['source']} data ({origin['data']}) · {origin['profile']} · seed {origin['seed']} · "
        f"{origin['precision']} · {origin['device']} · {cost['minutes']:.1f} min · {cost['peak_memory_mb']:,.0f} MB"
    )
    return f"<p class='facts'>{html.escape(facts)}</p><div class='scroll'>{shown}</div>"
