"""A lesson as slides on one page that fetches nothing: nbconvert's, with reveal.js written into the page.

Which cell begins a slide stands in the notebook (``slideshow`` in a cell's metadata), as JupyterLab's tools have it.
reveal.js comes with the package sphinx-revealjs, the only one of its like on the package index.
"""

import re
from pathlib import Path

import sphinx_revealjs

from dlcourse import web_pages

_SCRIPTS = """{% block footer_js %}<script>REVEAL</script>
<script>
Reveal.initialize({slideNumber: true, hash: true, transition: "none", width: 1100, height: 720, margin: 0.02});
</script>
{% endblock %}"""
_LOOK = """
:root { --jp-code-font-size: 15px }
.reveal .slides > section, .reveal .slides > section > section { text-align: left; overflow: auto; max-height: 720px }
.reveal .slides .jp-RenderedHTMLCommon { font-size: 21px; line-height: 1.4 }
.reveal h1 { font-size: 44px } .reveal h2 { font-size: 34px } .reveal h1, .reveal h2 { text-transform: none }
.reveal table { font-size: 19px; margin-left: 0 } .reveal .jp-RenderedText { max-height: 300px; overflow: auto }
.reveal pre { width: 100%; font-size: 15px; line-height: 1.3; margin: 0; box-shadow: none }
.reveal .jp-InputPrompt, .reveal .jp-OutputPrompt, .reveal .jp-Collapser { display: none }
.reveal img { max-height: 480px; margin: 0 }
"""


def write(notebook, path: Path) -> Path:
    """Write the slides of a notebook.

    Args:
        notebook: as `nbformat` reads it, with its outputs.
        path: of the page.
    """
    from nbconvert import SlidesExporter

    reveal = Path(sphinx_revealjs.__file__).parent / "_static" / "revealjs" / "dist"

    def read(name):
        return (reveal / name).read_text(encoding="utf-8")

    page = web_pages.render(notebook, SlidesExporter, path.stem, "reveal", _SCRIPTS)
    theme = re.sub(r"@import url\([^)]*\);?", "", read("theme/white.css"))  # of a font, which would be fetched
    look = "".join(f"<style>{css}</style>" for css in (read("reveal.css"), theme, _LOOK))
    page = re.sub(
        r"<link[^>]*>|<script src=\"\"></script>|<script type=\"module\">.*?</script>", "", page, flags=re.DOTALL
    )
    page = page.replace("</head>", f"{look}</head>")
    page = page.replace("REVEAL", read("reveal.js").replace("</script", r"<\/script"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path
