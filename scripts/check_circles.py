"""Refuse circles of imports between the files of the package.

    python scripts/check_circles.py [package folder]

Reads the files with ``ast`` and runs nothing. Imports under ``TYPE_CHECKING`` do not count; imports within functions do.
Prints each circle and exits with 1 when there is one.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path


def modules(folder: Path) -> dict[str, Path]:
    """Files of a package by module name; a package is named as its ``__init__.py``."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[str, str]]:
    """Pairs of module and name that a file imports, without those for type checking; of ``import a.b`` the name is empty."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and _type_checking(node.test):
            for other in node.orelse:
                yield from imported(ast.Module([other], []), module, is_package)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(node, module, is_package)
            yield from ((origin, alias.name) for alias in node.names)
        else:
            yield from imported(node, module, is_package)


def _type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _origin(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, *([node.module] if node.module else [])])


def graph(folder: Path) -> dict[str, set[str]]:
    """Modules of the package that each module imports."""
    files = modules(folder)
    arrows: dict[str, set[str]] = {}
    for name, path in files.items():
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        arrows[name] = set()
        for origin, what in imported(tree, name, path.name == "__init__.py"):
            target = f"{origin}.{what}" if f"{origin}.{what}" in files else origin
            if target in files and target != name:
                arrows[name].add(target)
    return arrows


def circles(arrows: Mapping[str, set[str]]) -> list[list[str]]:
    """One shortest circle of each group of modules that reach each other.

    Examples
    --------
    >>> circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})
    [['a', 'b', 'c', 'a']]
    """
    found, seen = [], set()
    for name in sorted(arrows):
        if name in seen:
            continue
        circle = _shortest(arrows, name)
        if circle:
            found.append(circle)
            seen.update(circle)
    return found


def _shortest(arrows: Mapping[str, set[str]], start: str) -> list[str]:
    """The shortest way from a module back to itself; empty without one."""
    before: dict[str, str] = {}
    waiting = [start]
    while waiting:
        following = []
        for name in waiting:
            for target in sorted(arrows.get(name, ())):
                if target == start:
                    way = [name]
                    while way[-1] != start:
                        way.append(before[way[-1]])
                    return [*reversed(way), start]
                if target not in before:
                    before[target] = name
                    following.append(target)
        waiting = following
    return []


def main(folder: str = "workstation") -> int:
    """Print the circles; 1 when there are any."""
    found = circles(graph(Path(folder)))
    for circle in found:
        print("circle: " + " -> ".join(circle))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
