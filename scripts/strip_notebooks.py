"""Strip outputs and execution counts from notebooks, except from cells whose text output nbval compares."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat

COMPARED = "nbval-check-output"


def strip(path: Path) -> bool:
    """Strip one notebook in place; True when it changed."""
    notebook = nbformat.read(path, as_version=4)
    before = nbformat.writes(notebook)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.metadata.pop("execution", None)  # when it ran
        if COMPARED not in cell.metadata.get("tags", []):
            cell.outputs = []
        cell.execution_count = (
            1 if cell.outputs else None
        )  # nbval compares nothing with a cell that never ran
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = 1
    if nbformat.writes(notebook) == before:
        return False
    nbformat.write(notebook, path)
    return True


if __name__ == "__main__":
    changed = [name for name in sys.argv[1:] if strip(Path(name))]
    for name in changed:
        print(f"stripped {name}")
    sys.exit(1 if changed else 0)
