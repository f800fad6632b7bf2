"""Write the address of the project's GitHub repository into pyproject.toml and every lesson's Colab badge.

usage: set_repository.py https://github.com/ACCOUNT/NAME
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GITHUB = "https://github.com/"


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0, or 2 if the address is not one of a repository on GitHub."""
    address = arguments[0].removesuffix("/").removesuffix(".git") if arguments else ""
    if not re.fullmatch(re.escape(GITHUB) + r"[\w.-]+/[\w.-]+", address):
        print(f"expected an address such as {GITHUB}account/dlcourse; got {address!r}", file=sys.stderr)
        return 2
    project = ROOT / "pyproject.toml"
    with project.open("rb") as file:
        before = tomllib.load(file)["project"]["urls"]["Repository"]
    for path in [project, *sorted((ROOT / "notebooks").glob("*.ipynb")), ROOT / "docs" / "template.ipynb"]:
        text = path.read_text(encoding="utf-8")
        for start in ("", "colab.research.google.com/github/"):  # Colab's addresses name the account without GitHub's
            old, new = (f"{start}{url.removeprefix(GITHUB) if start else url}" for url in (before, address))
            text = re.sub(re.escape(old) + r"(?![\w.-])", new, text)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
