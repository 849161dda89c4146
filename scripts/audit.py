"""Known vulnerabilities of the locked dependencies (pip-audit, which asks PyPI's advisories) and bandit over the code: ``make audit``.

Both run in environments of their own, which ``uv`` makes; the product needs neither. Without the advisory service nothing is
proved: that is said, and fails, except where ``CI`` is set, whose network may be closed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BANDIT, PIP_AUDIT = "bandit[toml]==1.9.4", "pip-audit==2.10.1"
LOCKS = ("requirements.lock",)
_UNREACHED = "The advisory service could not be reached"


def verdict(report: str, complaint: str, *, in_ci: bool) -> tuple[int, str]:
    """Exit code and words for what pip-audit printed.

    Parameters
    ----------
    report
        Its JSON; anything else: it did not come to an answer.
    complaint
        What it wrote to the error stream.
    in_ci
        Whether an advisory service that is out of reach passes.
    """
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError):
        last = (complaint.strip().splitlines() or ["no answer"])[-1]
        return _unproved(f"{_UNREACHED}: {last[:300]}", in_ci)
    found = [
        f"{one['name']} {one['version']}: {bug['id']}, mended in {', '.join(bug['fix_versions']) or 'no version yet'}"
        for one in packages
        for bug in one.get("vulns", ())
    ]
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    if found:
        return 1, "\n".join([*found, f"{len(found)} known vulnerabilities"])
    if skipped:
        # pip-audit itself ends with 0 then
        return _unproved(f"{_UNREACHED} for {len(skipped)} of {len(packages)} packages ({', '.join(skipped[:5])} ...)", in_ci)  # fmt: skip
    return 0, f"{len(packages)} packages, no known vulnerability"


def _unproved(words: str, in_ci: bool) -> tuple[int, str]:
    return (0, f"{words}; passed over because CI is set") if in_ci else (1, f"{words}. Nothing is proved.")


def _tool(package: str, *command: str) -> list[str]:
    return ["uv", "tool", "run", "--from", package, *command]


def main() -> int:
    """Run both; the worse exit code."""
    config = [
        "--quiet",
        "--configfile",
        "pyproject.toml",
        "--recursive",
        "workstation",
        "scripts",
        "dashboards",
    ]
    worst = subprocess.run(_tool(BANDIT, "bandit", *config), cwd=ROOT, check=False).returncode
    for lock in LOCKS:
        options = ["--requirement", lock, "--no-deps", "--disable-pip", "--format", "json", "--timeout", "15"]
        asked = subprocess.run(
            _tool(PIP_AUDIT, "pip-audit", *options), cwd=ROOT, check=False, capture_output=True, text=True
        )
        code, words = verdict(asked.stdout, asked.stderr, in_ci=bool(os.environ.get("CI")))
        print(f"{lock}: {words}")
        worst = max(worst, code)
    return worst


if __name__ == "__main__":
    sys.exit(main())
