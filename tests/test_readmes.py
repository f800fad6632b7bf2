"""The READMEs name every lesson and every command as it is, and link to nothing that is not there."""

import re

import pytest

from dlcourse import paths

PAGES = [
    "README.md", "README.ar.md", "docs/README.md", "docs/syllabus.md", "docs/student.md", "docs/teacher.md",
    "docs/adding_a_lesson.md", "deploy/README.md", "data/README.md",
]  # fmt: skip
FRONT_DOORS = PAGES[:2]


def read(name: str) -> str:
    return (paths.ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FRONT_DOORS)
def test_every_lesson_has_its_line_in_order(name):
    lessons = re.findall(r"^\| \[(\w+)\]\(notebooks/(\w+)\.ipynb\) \| [^|]+ \|", read(name), re.MULTILINE)
    lessons = list(dict.fromkeys(lessons))  # the table of results names them again
    assert lessons == [(path.stem, path.stem) for path in paths.notebooks()]


@pytest.mark.parametrize("name", FRONT_DOORS)
def test_the_two_commands_stand_first(name):
    block = re.search(r"```sh\n(.*?)```", read(name), re.DOTALL)[1]
    assert re.findall(r"^make [a-z-]+", block, re.MULTILINE) == ["make run-all", "make test"]


@pytest.mark.parametrize("name", PAGES)
def test_every_command_is_a_target_of_make(name):
    makefile = (paths.ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {*re.findall(r"^([a-z-]+):", makefile, re.MULTILINE), *(path.stem for path in paths.notebooks())}
    named = set(re.findall(r"(?:`|^)make ([a-z0-9_-]+)", read(name), re.MULTILINE))
    assert named - targets == set()


@pytest.mark.parametrize("name", PAGES)
def test_no_link_leads_nowhere(name):
    page = paths.ROOT / name
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", read(name)) if not re.match(r"https?:|#|mailto:", link)]
    assert [link for link in links if not (page.parent / link.partition("#")[0]).exists()] == []


def test_the_syllabus_has_every_lesson_after_those_it_needs():
    rows = re.findall(
        r"^\| \[(\d\d)\]\(\.\./notebooks/(\w+)\.ipynb\) \| ([^|]+) \|", read("docs/syllabus.md"), re.MULTILINE
    )
    assert [stem for _, stem, _ in rows] == [path.stem for path in paths.notebooks()]
    assert [number for number, stem, _ in rows if not stem.startswith(number)] == []
    later = [(number, needed) for number, _, needs in rows for needed in re.findall(r"\d\d", needs) if needed >= number]
    assert later == []
    needs_of = {number: set(re.findall(r"\d\d", needs)) for number, _, needs in rows}
    short = re.search(r"one term takes ([^;]+); whoever has a weekend, ([^.]+)\.", read("docs/syllabus.md"))
    for chosen in short.groups():
        spans = re.findall(r"(\d\d)(?: to (\d\d))?", chosen)
        taken = {f"{number:02}" for first, last in spans for number in range(int(first), int(last or first) + 1)}
        assert {number for number in taken if not needs_of[number] <= taken} == set(), chosen
    makefile = read("Makefile")
    for number, stem, needs in rows:  # whose models a lesson uses, it needs
        used = re.findall(rf"^NEEDS_{stem} := (.*)$", makefile, re.MULTILINE)
        assert {name[:2] for name in " ".join(used).split()} <= set(re.findall(r"\d\d", needs)), number
