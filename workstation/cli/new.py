"""`workstation new`: a feed, an engine or a dashboard of one's own, with a test that passes as it is written."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template

from workstation.market.errors import WorkstationError

KINDS = ("feed", "engine", "dashboard")
_TEMPLATES = files("workstation.cli") / "templates"


def written(kind: str, name: str, folder: Path) -> list[Path]:
    """Write the module ``name`` and its test into a folder; dashboards go into its ``dashboards`` (``workstation serve --dashboards``).

    Raises
    ------
    WorkstationError
        There is no such kind, the name is none, or a file is there already.

    Examples
    --------
    >>> import tempfile
    >>> [path.name for path in written("engine", "drift", Path(tempfile.mkdtemp()))]
    ['drift.py', 'test_drift.py']
    """
    if kind not in KINDS:
        raise WorkstationError(f"cannot write a new {kind!r}; there are {', '.join(KINDS)}")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise WorkstationError(
            f"{name!r} cannot be a module's name: lower case, digits and underscores, as in my_{kind}"
        )
    place = folder / "dashboards" if kind == "dashboard" else folder
    paths = [place / f"{name}.py", place / f"test_{name}.py"]
    there = [str(path) for path in paths if path.exists()]
    if there:
        raise WorkstationError(f"{', '.join(there)}: there already; nothing was written")
    place.mkdir(parents=True, exist_ok=True)
    words = {"name": name, "title": name.replace("_", " ").capitalize(), "kind": _class_name(name)}
    for path, template in zip(paths, (f"{kind}.py.txt", f"test_{kind}.py.txt"), strict=True):
        text = Template((_TEMPLATES / template).read_text(encoding="utf-8")).substitute(words)
        path.write_text(text, encoding="utf-8")
    return paths


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
