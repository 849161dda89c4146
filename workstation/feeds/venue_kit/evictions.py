"""A login that ends another one: the same key used twice, told apart from a venue that is in trouble."""

from __future__ import annotations

NORMAL = 1000
"""Close code of a socket that a venue ends on purpose."""
SHORT_S = 5.0
"""A session closed on purpose within this time of its login was ended by another one."""
IN_A_ROW = 3
"""So many of them in a row are told as another session."""
PAUSE_S = 60.0
"""Least wait before the next login from then on."""


class Evictions:
    """Counts sessions of one key that a venue closed normally right after their login.

    Examples
    --------
    >>> evictions = Evictions()
    >>> [bool(evictions.ended(code=1000, lived_s=0.15)) for _ in range(3)]
    [False, False, True]
    >>> evictions.ended(code=1000, lived_s=3600.0)
    ''
    """

    def __init__(self) -> None:
        self._count = 0

    def ended(self, *, code: int | None, lived_s: float) -> str:
        """What a session's end tells, in words; empty where it tells nothing of another session.

        Parameters
        ----------
        code
            The venue's close code; None where the socket broke.
        lived_s
            Seconds since the login.
        """
        self._count = self._count + 1 if code == NORMAL and lived_s <= SHORT_S else 0
        if self._count < IN_A_ROW:
            return ""
        return (
            f"another session: {self._count} logins in a row were ended right away, as when a second program logs in with the "
            "same key; end it, or make a key of its own for each"
        )
