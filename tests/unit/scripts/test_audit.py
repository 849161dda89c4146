"""What the audit makes of pip-audit's answers: none, and one that skipped packages, prove nothing."""

from __future__ import annotations

import json

import pytest

from scripts.audit import verdict

_GOOD = {"name": "a", "version": "1", "vulns": []}
_BAD = {"name": "b", "version": "2", "vulns": [{"id": "GHSA-1", "fix_versions": ["2.1"]}]}
_SKIPPED = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "in_ci", "code", "words"),
    [
        ([_GOOD], False, 0, "1 packages, no known"),
        ([_GOOD, _BAD], True, 1, "b 2: GHSA-1, mended in 2.1"),
        ([_GOOD, _SKIPPED], False, 1, "could not be reached for 1 of 2"),
        ([_GOOD, _SKIPPED], True, 0, "CI is set"),
        ([_BAD, _SKIPPED], True, 1, "GHSA-1"),
    ],
)  # fmt: skip
def test_packages(packages: list[object], in_ci: bool, code: int, words: str) -> None:
    found, told = verdict(json.dumps({"dependencies": packages, "fixes": []}), "", in_ci=in_ci)
    assert found == code and words in told


def test_no_answer_fails_outside_ci_with_the_reason() -> None:
    complaint = "Traceback\nConnectionError: name not known"
    assert verdict("", complaint, in_ci=False)[0] == 1
    assert "name not known" in verdict("", complaint, in_ci=False)[1]
    assert verdict("", complaint, in_ci=True)[0] == 0
