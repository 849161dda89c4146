"""Packages of the wheel: the workstation, with the dashboards and catalogs inside it, so that ``workstation demo`` needs no checkout.

All else is in ``pyproject.toml``; a folder outside the package cannot be named there.
"""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["workstation", "workstation.*"]),
        "workstation.dashboards",
        "workstation.catalogs",
    ],
    package_dir={"workstation.dashboards": "dashboards", "workstation.catalogs": "catalogs"},
)
