"""Executed notebooks as web pages: everything on them, nothing fetched."""

import re

import nbformat
import pytest

from dlcourse import paths, web_pages

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def written(tmp_path, *cells):
    path = tmp_path / "my lesson.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), path)
    page = web_pages.write(path)
    assert page == tmp_path / "my lesson.html"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["my lesson.html", "my lesson.ipynb"]
    return page.read_text(encoding="utf-8")


def text(source):
    return nbformat.v4.new_markdown_cell(source)


def test_formulas_become_mathml_and_other_dollars_stay(tmp_path):
    page = written(
        tmp_path, text("It costs 5$ or $6.\n\n$W_x$ and `$HOME` and $$\\begin{aligned}a&=b\\\\c&=d\\end{aligned}$$")
    )
    assert page.count("<math ") == 2
    assert "<msub><mi>W</mi><mi>x</mi></msub>" in page
    assert page.count("<mtr>") == 2
    assert "It costs 5$ or $6." in page
    assert "$HOME" in page
    assert "formula0" not in page


def test_the_formulas_of_all_lessons_can_be_converted():
    formulas = [
        web_pages._mathml(found)
        for path in paths.notebooks()
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "markdown"
        for found in web_pages._FORMULA.finditer(cell.source)
    ]
    assert len(formulas) >= 10
    assert [formula for formula in formulas if "&amp;" in formula or "\\" in formula] == []


def test_outputs_are_on_the_page_and_pictures_in_it(tmp_path):
    cell = nbformat.v4.new_code_cell("draw()", execution_count=1)
    cell.outputs = [
        nbformat.v4.new_output("stream", text="epoch 1/5\n"),
        nbformat.v4.new_output("display_data", {"image/png": PIXEL}),
    ]
    page = written(tmp_path, cell, text("*Figure: a dot,\nred & small.*\n\nThen *more*."))
    assert "epoch 1/5" in page
    assert 'alt="a dot, red &amp; small."' in page
    assert f"data:image/png;base64,{PIXEL}" in page


@pytest.mark.parametrize("source", ["# A lesson\n$x$", "plain"])
def test_nothing_is_fetched(tmp_path, source):
    page = written(tmp_path, text(source))
    assert re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=[\"'](?:https?:)?//", page) == []


def test_what_runs_elsewhere_or_needs_a_kernel_is_left_out(tmp_path):
    page = written(tmp_path, text("# A lesson\n\n[![Open in Colab](../badge.svg)](https://colab.example)\n\nIt says."))
    assert "colab" not in page.lower()
    assert "It says." in page


def test_for_a_widget_stands_what_it_is(tmp_path):
    data = {"application/vnd.jupyter.widget-view+json": {"model_id": "0a1b"}, "text/plain": "HBox(children=())"}
    cell = nbformat.v4.new_code_cell("sliders", outputs=[nbformat.v4.new_output("display_data", data=data)])
    page = written(tmp_path, cell)
    assert "HBox" not in page
    assert "to play with: open the notebook" in page
