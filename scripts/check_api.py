"""Let schemathesis ask the API whatever its OpenAPI document allows, and what it does not: no 5xx, no undocumented answer.

It runs in an environment of its own, which ``uv`` makes; the product needs none of it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.unit.api.server import fill, serving

SCHEMATHESIS = "schemathesis==4.32.5"
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,"
    "unsupported_method,negative_data_rejection"
)
"""All but that whatever fits the schema is accepted: not every text is a time, and there is no schema of those that are."""


def main() -> int:
    """Serve a small desk on a free port and have it asked; the exit code is schemathesis' own."""
    examples = sys.argv[1] if len(sys.argv) > 1 else "100"
    with tempfile.TemporaryDirectory() as folder, serving(str(Path(folder) / "store")) as (client, desk):
        fill(desk)
        address = f"http://127.0.0.1:{client.port}/api/openapi.json"
        command = ["uv", "tool", "run", "--from", SCHEMATHESIS, "schemathesis", "run", address]
        options = [
            "--max-examples",
            examples,
            "--seed",
            "7",
            "--workers",
            "1",
            "--checks",
            CHECKS,
            "--no-color",
        ]
        return subprocess.run([*command, *options], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
