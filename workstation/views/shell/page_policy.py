"""The content security policy of a page: scripts of this server alone, inline ones only where the server wrote them.

What Bokeh and Panel need keeps it from being stricter: ``CustomJS`` is compiled from text (``'unsafe-eval'``), components are modules
loaded from blobs, and styles are written by scripts (``'unsafe-inline'`` for styles). Nothing is fetched from elsewhere.
"""

from __future__ import annotations

import re
import secrets

_SCRIPT = re.compile(r"<script(?=[\s>])")
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self' 'nonce-{nonce}' 'unsafe-eval' blob:",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self' blob:",
    "manifest-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'self'",
    "base-uri": "'none'",
    "object-src": "'none'",
}


def new_nonce() -> str:
    """What marks the scripts of one answer."""
    return secrets.token_urlsafe(16)


def policy(nonce: str) -> str:
    """The header's value.

    >>> "script-src 'self' 'nonce-abc' 'unsafe-eval' blob:;" in policy("abc")
    True
    """
    return "; ".join(f"{name} {value.format(nonce=nonce)}" for name, value in _POLICY.items())


def marked(page: str, nonce: str) -> str:
    """A page, or a part of one, whose scripts carry the nonce; what a document says stands in it escaped, and carries none.

    >>> marked('<script type="module">a()</script><b>&lt;script></b>', "abc")
    '<script nonce="abc" type="module">a()</script><b>&lt;script></b>'
    """
    return _SCRIPT.sub(f'<script nonce="{nonce}"', page)
