"""The report page in a real browser: opened from disk, on a desk, on a telephone and on paper."""

import json

import matplotlib.pyplot as plt
import nbformat
import pytest

from dlcourse import evaluation, paths, report_page, reports

pytestmark = pytest.mark.browser
SIZES = {"desk": {"width": 1200, "height": 900}, "telephone": {"width": 390, "height": 844}}
RAN, FAILED = "02_digits_cnn", "03_sentiment_lstm"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The page of all lessons: one has run, one has failed, the others have not been run."""
    outputs = tmp_path_factory.mktemp("my outputs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLCOURSE_OUTPUTS", str(outputs))
        folder = outputs / RAN
        folder.mkdir()
        model = outputs / "digits.h5"
        model.write_bytes(b"weights")
        model.with_suffix(".json").write_text("{}", encoding="utf-8")
        provenance = {
            "lesson": RAN, "source": "sample", "data": "scikit-learn's 8x8 digits, enlarged to 28x28 pixels",
            "weights": "trained here", "profile": "full", "seed": 0, "precision": "float32", "device": "CPU (2 cores)",
            "versions": {"keras": "3.15.1"}, "commit": "abc1234567",
        }  # fmt: skip
        scores = {
            "test_accuracy_better": evaluation.Score(0.99, 0.98, 1.0, 359),
            "test_accuracy_report": evaluation.Score(0.2, 0.15, 0.25, 359),
        }
        reports.write_metrics(
            folder, scores, provenance=provenance, models=(model,),
            cost={"minutes": 1.25, "peak_memory_mb": 1234.5, "cores": 2},
        )  # fmt: skip
        for name in ("scores", "confusion_matrix"):
            figure = plt.figure(figsize=(9, 3))
            figure.gca().plot([1, 2])
            figure.savefig(folder / f"{name}.png")
            plt.close(figure)
        nbformat.write(
            nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Which digit?\n\n$x$")]),
            folder / f"{RAN}.ipynb",
        )
        (folder / "run.json").write_text(json.dumps({"minutes": 1.25}), encoding="utf-8")
        (outputs / FAILED).mkdir()
        failure = {"lesson": FAILED, "cell": 7, "error": "ValueError: " + "x" * 300, "notebook": "x.ipynb"}
        (outputs / FAILED / "failure.json").write_text(json.dumps(failure), encoding="utf-8")
        return report_page.write([path.stem for path in paths.notebooks()])


@pytest.fixture(params=SIZES)
def page(request, chromium, written):
    """The page, opened from disk; nothing may be asked of anybody, nothing complained about."""
    page = chromium.new_page(viewport=SIZES[request.param])
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.goto(written.as_uri())
    yield page
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert complaints == []
    page.close()


def of(page, lesson):
    """The section of a lesson."""
    return page.locator("section", has=page.locator(f"[id='{lesson}']"))


def test_nobody_scrolls_sideways_and_text_is_large_enough(page):
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    sizes = page.evaluate(
        "[...document.querySelectorAll('p, td, li')].map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 13


def test_all_lessons_stand_in_the_contents_and_lead_to_their_section(page):
    links = page.locator("nav a")
    assert links.count() == len(paths.notebooks())
    page.get_by_role("link", name=FAILED, exact=True).click()
    assert page.url.endswith(f"#{FAILED}")
    assert page.evaluate(f"document.getElementById('{FAILED}').getBoundingClientRect().top") < 844


def test_what_passed_and_what_failed_is_told_in_words(page):
    section = of(page, RAN)
    assert section.get_by_text("pass", exact=True).count() == 1
    assert section.get_by_text("FAIL", exact=True).count() == 1
    assert section.get_by_text("99.0% [98.0%, 100.0%]").is_visible()
    assert page.get_by_text("Failed in cell 7: ValueError").is_visible()
    assert page.get_by_text("Not run yet").count() == len(paths.notebooks()) - 2


def test_figures_are_on_the_page_and_named(page):
    section = of(page, RAN)
    widths = section.locator("img").evaluate_all("images => images.map(i => [i.naturalWidth, i.clientWidth, i.alt])")
    assert [alt for _, _, alt in widths] == [f"scores of {RAN}", f"confusion matrix of {RAN}"]
    assert all(natural > 0 and shown <= page.viewport_size["width"] for natural, shown, _ in widths)


def test_links_lead_to_the_lesson_the_model_and_its_card(page, written):
    section = of(page, RAN)
    for name in ("the executed lesson", "as a notebook", "all its numbers", "digits.h5", "digits's card"):
        target = section.get_by_role("link", name=name, exact=True).get_attribute("href")
        assert (written.parent / target).exists(), name
    section.get_by_role("link", name="the executed lesson").click()
    page.get_by_role("heading", name="Which digit?").wait_for()


def test_it_prints(page):
    if page.viewport_size == SIZES["desk"]:
        assert page.pdf(format="A4").startswith(b"%PDF-")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).maxWidth") == "none"
