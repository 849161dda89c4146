"""Keys and passwords from the edge on: never in a repr, a log or an error."""

from __future__ import annotations

from pydantic import SecretStr


def secret(value: str | SecretStr) -> SecretStr:
    """A secret, whether it was given as text or as one.

    Examples
    --------
    >>> secret("k-123")
    SecretStr('**********')
    """
    return value if isinstance(value, SecretStr) else SecretStr(str(value))
