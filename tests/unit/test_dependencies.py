"""What the package imports is what it declares, and the other way round."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = {"yaml": "pyyaml", "influxdb_client_3": "influxdb3-python"}
"""Packages that are installed under another name."""
BROUGHT_ALONG = {
    "tornado": "bokeh",
    "llvmlite": "numba",
    "param": "panel",
    "pydantic": "pydantic-settings",
    "ipython": "jupyterlab",
}
"""Imported packages that are the base of a declared one, at versions that it chooses."""
NOT_IMPORTED = {
    "influxdb3-python": "the client of an InfluxDB 3 history",
    "jupyterlab": "opens the notebooks",
    "netcdf4": "saves a Dataset of xarray with whole numbers among its attributes",
}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*, extras: bool = False) -> set[str]:
    """Names of the dependencies, with ``extras`` those of the optional ones too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"].values() if extras else ())]
    return {normal(re.split(r"[<>=!~\[; ]", one, maxsplit=1)[0]) for each in lists for one in each}


IMPORT = re.compile(r"^\s*(?:import (\w+)|from (\w+)[\w.]* import )", re.MULTILINE)


def imported() -> set[str]:
    """Packages that the package, the dashboards and the notebooks import; ours and the standard library left out."""
    texts = [
        path.read_text() for room in ("workstation", "dashboards") for path in (ROOT / room).rglob("*.py")
    ]
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        texts += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    found = {one or other for text in texts for one, other in IMPORT.findall(text)}
    known = sys.stdlib_module_names | {"workstation", "dashboards"}
    return {normal(DISTRIBUTIONS.get(name, name)) for name in found - known}


def test_every_import_is_declared_and_every_dependency_is_imported() -> None:
    missing = imported() - declared(extras=True) - set(BROUGHT_ALONG)
    assert not missing, "imported, but not in pyproject's dependencies"
    unused = declared() - imported() - set(NOT_IMPORTED)
    assert not unused, "in pyproject's dependencies, but imported nowhere"
