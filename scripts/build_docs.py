"""Build the documentation's site offline: assemble the sources, write the reference from the code, run Sphinx, look at the pages.

Usage: python scripts/build_docs.py [--execute]

With ``--execute`` the notebooks run once and are kept in a cache; else they are shown with the outputs they keep.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from check_site import complaints
from reference_names import faces
from reference_pages import untried, written
from sphinx.cmd.build import main as sphinx_build

ROOT = Path(__file__).parents[1]
OUT = ROOT / "artifacts" / "docs"
SOURCE, HTML, CACHE = OUT / "source", OUT / "html", OUT / "notebooks"


def assemble() -> None:
    """Pages, notebooks and the written reference in one folder of sources."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCE)
    tutorials = SOURCE / "tutorials"
    tutorials.mkdir()
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    for path in notebooks:
        shutil.copy(path, tutorials)
    (tutorials / "index.md").write_text(_tutorials(notebooks), encoding="utf-8")
    written(SOURCE / "reference")
    (SOURCE / "reference" / "index.md").write_text(_reference(), encoding="utf-8")
    with (SOURCE / "not_tried_live.md").open("a", encoding="utf-8") as page:
        page.writelines(f"| `{name}` | {notes} |\n" for name, notes in untried().items())


def _tree(title: str, text: str, pages: list[str]) -> str:
    return "\n".join([f"# {title}", "", text, "", "```{toctree}", ":maxdepth: 1", "", *pages, "```", ""])


def _tutorials(notebooks: list[Path]) -> str:
    text = (
        "Each runs in JupyterLab (`make lab`), under `panel serve`, and in the tests. The market is invented and seeded: the numbers "
        "are the same on every machine and say nothing of a real one."
    )
    return _tree("Tutorials", text, [path.stem for path in notebooks])


def _reference() -> str:
    text = "Written from the code when the documentation is built. Tables, settings and commands first, then the public names by package."
    return _tree("Reference", text, ["tables", "settings", "commands", *faces()])


def main(arguments: list[str]) -> int:
    """Build; 0 when nothing is to complain of."""
    if "--execute" in arguments:
        os.environ |= {"WORKSTATION_DOCS_EXECUTE": "1", "WORKSTATION_DOCS_CACHE": str(CACHE)}
        os.environ |= {"WORKSTATION_RECORD": "false", "WORKSTATION_SEED": "7"}
    assemble()
    failed = sphinx_build(["-W", "--keep-going", "-q", "-j", "2", "-b", "html", str(SOURCE), str(HTML)])
    if failed:
        return failed
    found = complaints(HTML)
    for line in found:
        print(line, file=sys.stderr)
    print(f"The documentation is in {HTML.relative_to(ROOT)}/index.html")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
