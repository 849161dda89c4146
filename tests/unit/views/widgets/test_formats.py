"""Tooltips in the browser write numbers as Python does."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import playwright
import pytest

from workstation.views.widgets import formats
from workstation.views.widgets.provenance import ledger_html

NODE = Path(playwright.__file__).parent / "driver" / "node"
VALUES = (104_212.5, -1_300.0, 0.0, 231.4, 3.14159, 1.2e6, -182e6, 12.4e9, 999_960.0, 0.052, 2_500.0, 97.31)


@pytest.mark.parametrize("kind", ["usd", "price", "strike"])
def test_a_tooltip_writes_a_number_as_the_cards_do(kind: str) -> None:
    code = formats.hovers(column=kind)["@column"].code
    script = f"const write = value => {{ {code} }}; console.log(JSON.stringify({list(VALUES)}.map(write)))"
    done = subprocess.run([NODE, "-e", script], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == [getattr(formats, kind)(value) for value in VALUES]
    unknown = subprocess.run(
        [NODE, "-e", f"const write = value => {{ {code} }}; console.log(write(NaN))"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert unknown.stdout.strip() == formats.UNKNOWN


def test_a_cell_of_a_table_writes_a_number_as_the_cards_do() -> None:
    template = formats.number_cells(2, 2).template.strip()
    expression = template.removeprefix("<%=").removesuffix("%>")
    script = f"const write = value => {expression}; console.log(JSON.stringify([...{list(VALUES)}, NaN, null].map(write)))"
    done = subprocess.run([NODE, "-e", script], capture_output=True, text=True, timeout=60, check=True)
    wanted = [formats.number(round(value, 2), 2) for value in VALUES]
    assert json.loads(done.stdout) == [*wanted, formats.UNKNOWN, formats.UNKNOWN]


def test_no_time_of_a_ledger_is_told_in_nanoseconds() -> None:
    at = 1_793_491_200_000_000_000
    text = ledger_html({"asof_ns": at, "change_since_ns": {"1": at, "5": at}}, recorded=True)
    assert str(at) not in text
    assert text.count("UTC") == 3
