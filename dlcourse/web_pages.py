"""A notebook as one web page that opens from disk and fetches nothing: pictures embedded, formulas as MathML.

Jupyter's packages are imported inside the functions: they take seconds, and the service does without them.
"""

import copy
import itertools
import re
from pathlib import Path

_FORMULA = re.compile(r"\$\$(?P<block>.+?)\$\$|(?<![\\$`\w])\$(?P<inline>[^$\n]+?)\$(?![\w`])", re.DOTALL)
# Nothing but these would be fetched: formulas are converted below, and no lesson holds a Mermaid drawing.
_ELSEWHERE = dict.fromkeys(("mathjax_url", "require_js_url", "jquery_url", "mermaid_js_url"), "")
BADGE = re.compile(r"^\[!\[Open in Colab\].*\n*", re.MULTILINE)  # a page runs nowhere
# A lesson says below each figure what it shows, for those who cannot see it; nbconvert's own block has no such text.
_TEMPLATE = """{% extends 'BASE/index.html.j2' %}
{% block data_png scoped %}<div class="jp-RenderedImage jp-OutputArea-output">
<img alt="{{ cell.metadata.shows | escape_html }}" src="data:image/png;base64,{{ output.data['image/png'] }}">
</div>{% endblock %}
"""
# On paper a line of code is broken instead of cut, and a picture stays in one piece.
_PRINT = """<style>@media print {
  @page { margin: 14mm 12mm } body { font-size: 10pt }
  pre, code { white-space: pre-wrap !important; overflow-wrap: anywhere } img, tr { break-inside: avoid }
  h1, h2, h3 { break-after: avoid } .jp-InputPrompt, .jp-OutputPrompt { display: none } a.anchor-link { display: none }
}</style>"""


def write(notebook: Path) -> Path:
    """Write ``<notebook>.html`` beside a notebook, with its outputs.

    Returns:
        The page's path.
    """
    import nbformat
    from nbconvert import HTMLExporter

    page = render(nbformat.read(notebook, as_version=4), HTMLExporter, notebook.stem)
    path = notebook.with_suffix(".html")
    partial = path.with_suffix(".part")
    partial.write_text(page.replace("</head>", f"{_PRINT}</head>", 1), encoding="utf-8")
    partial.replace(path)
    return path


def render(notebook, exporter, name: str, base: str = "lab", blocks: str = "") -> str:
    """A notebook as HTML.

    Args:
        notebook: as `nbformat` reads it; it stays as it is.
        exporter: nbconvert's class for it, ``HTMLExporter`` or one made of that.
        name: for the page's title.
        base: the template of nbconvert's that the page is made by.
        blocks: of that template, those that are to be replaced.
    """
    content, formulas = copy.deepcopy(notebook), []

    def noted(found) -> str:
        formulas.append(found)
        return f"formula{len(formulas) - 1:04}formula"  # nothing that Markdown would change

    content.metadata.pop("widgets", None)  # without a kernel they do nothing, and what draws them would be fetched
    for cell, below in itertools.zip_longest(content.cells, content.cells[1:]):
        figure = re.match(r"\*Figure: (.*?)\*$", below.source, re.DOTALL | re.MULTILINE) if below else None
        for output in cell.get("outputs", ()):
            if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                output.data = {"text/plain": "(sliders and fields to play with: open the notebook)"}
        cell.metadata["shows"] = figure[1].replace("\n", " ") if figure else "what the code above draws"
        if cell.cell_type == "markdown":
            cell.source = _FORMULA.sub(noted, BADGE.sub("", cell.source))
    resources = {"metadata": {"name": name}}
    template = _TEMPLATE.replace("BASE", base) + blocks
    page, _ = exporter(embed_images=True, raw_template=template, **_ELSEWHERE).from_notebook_node(content, resources)
    return re.sub(r"formula(\d{4})formula", lambda found: _mathml(formulas[int(found[1])]), page)


def _mathml(found: re.Match) -> str:
    from latex2mathml.converter import convert

    latex = (found["block"] or found["inline"]).replace("{aligned}", "{align*}")
    return convert(latex, display="block" if found["block"] else "inline")
