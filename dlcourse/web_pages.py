"""A notebook as one web page that opens from disk and fetches nothing: pictures embedded, formulas as MathML.

Jupyter's packages are imported inside the functions: they take seconds, and the service does without them.
"""

import re
from pathlib import Path

_FORMULA = re.compile(r"\$\$(?P<block>.+?)\$\$|(?<![\\$`\w])\$(?P<inline>[^$\n]+?)\$(?![\w`])", re.DOTALL)
# Nothing but these would be fetched: formulas are converted below, and no lesson holds a Mermaid drawing.
_ELSEWHERE = dict.fromkeys(("mathjax_url", "require_js_url", "jquery_url", "mermaid_js_url"), "")


def write(notebook: Path) -> Path:
    """Write ``<notebook>.html`` beside a notebook, with its outputs.

    Returns:
        The page's path.
    """
    import nbformat
    from nbconvert import HTMLExporter

    content, formulas = nbformat.read(notebook, as_version=4), []

    def noted(found) -> str:
        formulas.append(found)
        return f"formula{len(formulas) - 1:04}formula"  # nothing that Markdown would change

    for cell in content.cells:
        if cell.cell_type == "markdown":
            cell.source = _FORMULA.sub(noted, cell.source)
    resources = {"metadata": {"name": notebook.stem}}
    page, _ = HTMLExporter(embed_images=True, **_ELSEWHERE).from_notebook_node(content, resources)
    page = re.sub(r"formula(\d{4})formula", lambda found: _mathml(formulas[int(found[1])]), page)
    path = notebook.with_suffix(".html")
    partial = path.with_suffix(".part")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)
    return path


def _mathml(found: re.Match) -> str:
    from latex2mathml.converter import convert

    latex = (found["block"] or found["inline"]).replace("{aligned}", "{align*}")
    return convert(latex, display="block" if found["block"] else "inline")
