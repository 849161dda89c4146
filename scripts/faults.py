"""Break the workstation on purpose and print what came of it: ``python scripts/faults.py [--seed N] [WORD ...]``.

Words choose the kinds whose description holds one of them. Ends with 1 when anything went wrong.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
MODULES = ("kills", "stores", "files", "poison", "signals", "wires", "disks", "processes")


def main() -> int:
    """Play the rounds and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("words", nargs="*")
    arguments.add_argument("--seed", type=int, default=20_261_130)
    given = arguments.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    from tests.faults.rounds import KINDS, play

    for module in MODULES:
        importlib.import_module(f"tests.faults.{module}")
    chosen = [what for what in KINDS if not given.words or any(word in what for word in given.words)]
    print(f"{'fault':<70} {'rounds':>6} {'seconds':>8}  outcome", flush=True)
    wrong = 0
    for what in chosen:
        done = play(what, given.seed)
        wrong += len(done.wrong)
        outcome = "nothing lost, doubled or stopped" if not done.wrong else f"{len(done.wrong)} WRONG"
        print(f"{what:<70} {done.rounds:>6} {done.seconds:>8.1f}  {outcome}", flush=True)
        for text in done.wrong[:20]:
            print(f"    {text}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
