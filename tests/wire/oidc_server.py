"""An OpenID Connect provider on loopback that does as it should, and misbehaves on request."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from workstation.access.oidc import challenge

CLIENT, SECRET = "desk", "a-secret-of-the-client-0123456789"


class Provider:
    """State and behaviour.

    Attributes
    ----------
    wrong
        How the next ID tokens are wrong: expired, foreign_key, wrong_audience, wrong_issuer, wrong_nonce, shared_key, unsigned,
        other_client, no_token; empty: not at all.
    roles, lifetime_s
        Of the tokens to come.
    refreshes
        How often a refresh token was used.
    refresh_status
        Answered to a refresh instead, when it is not 200.
    """

    def __init__(self) -> None:
        self.wrong, self.refresh_status, self.refreshes = "", 200, 0
        self.roles: list[str] = ["viewer"]
        self.lifetime_s = 60.0
        self._key, self._foreign = (RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}) for _ in range(2))
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh_tokens: set[str] = set()
        self._socket = bind_sockets(0, "127.0.0.1")[0]
        self.issuer = f"http://127.0.0.1:{self._socket.getsockname()[1]}/realm"

    def start(self) -> HTTPServer:
        """Serve on the current loop."""
        shared = {"provider": self}
        server = HTTPServer(
            Application(
                [
                    (r"/realm/.well-known/openid-configuration", _Discovery, shared),
                    (r"/realm/keys", _Keys, shared),
                    (r"/realm/authorize", _Authorize, shared),
                    (r"/realm/token", _Token, shared),
                ]
            )
        )
        server.add_sockets([self._socket])
        return server

    def id_token(self, nonce: str) -> str:
        """An ID token, wrong as asked for."""
        now = time.time()
        claims: dict[str, Any] = {
            "iss": self.issuer, "sub": "17", "aud": CLIENT, "iat": int(now), "exp": int(now + self.lifetime_s), "nonce": nonce,
            "preferred_username": "<b>ann</b>", "realm_access": {"roles": self.roles},
        }  # fmt: skip
        changes: dict[str, dict[str, Any]] = {
            "expired": {"exp": int(now) - 600, "iat": int(now) - 1200}, "wrong_audience": {"aud": "other"},
            "wrong_issuer": {"iss": "https://evil.example"}, "wrong_nonce": {"nonce": "other"},
            "other_client": {"aud": [CLIENT, "other"], "azp": "other"},
        }  # fmt: skip
        claims |= changes.get(self.wrong, {})
        if self.wrong == "shared_key":
            key = OctKey.import_key(SECRET)
            return jwt.encode({"alg": "HS256", "kid": "one"}, claims, key, algorithms=["HS256"])
        if self.wrong == "unsigned":
            head, body, _ = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self._key).split(".")
            return f"{head}.{body}."
        key = self._foreign if self.wrong == "foreign_key" else self._key
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)

    def tokens(self, nonce: str) -> dict[str, Any]:
        """The answer of the token endpoint."""
        refresh = secrets.token_urlsafe(16)
        self._refresh_tokens.add(refresh)
        answer = {
            "access_token": "opaque",
            "token_type": "Bearer",
            "expires_in": self.lifetime_s,
            "refresh_token": refresh,
        }
        return answer if self.wrong == "no_token" else answer | {"id_token": self.id_token(nonce)}


class _Handler(RequestHandler):
    def initialize(self, provider: Provider) -> None:
        self.provider = provider

    def refuse(self, error: str) -> None:
        self.set_status(400)
        self.write({"error": error})


class _Discovery(_Handler):
    def get(self) -> None:
        issuer = self.provider.issuer
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        self.write({"issuer": issuer, **{name: f"{issuer}/{path}" for name, path in names.items()}})


class _Keys(_Handler):
    def get(self) -> None:
        self.write(json.dumps(KeySet([self.provider._key]).as_dict(private=False)))


class _Authorize(_Handler):
    """Logs everybody in at once."""

    def get(self) -> None:
        asked = {name: self.get_query_argument(name) for name in self.request.query_arguments}
        if asked.get("client_id") != CLIENT or asked.get("code_challenge_method") != "S256":
            self.refuse("invalid_request")
            return
        code = secrets.token_urlsafe(16)
        self.provider._codes[code] = asked
        self.redirect(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")


class _Token(_Handler):
    def post(self) -> None:
        if self.get_body_argument("grant_type") == "refresh_token":
            self._refresh(self.get_body_argument("refresh_token"))
        else:
            self._exchange(self.get_body_argument("code"), self.get_body_argument("code_verifier"))

    def _refresh(self, token: str) -> None:
        provider = self.provider
        provider.refreshes += 1
        if provider.refresh_status != 200 or token not in provider._refresh_tokens:
            self.set_status(max(provider.refresh_status, 400))
        else:
            provider._refresh_tokens.discard(token)
            self.write(provider.tokens(""))

    def _exchange(self, code: str, verifier: str) -> None:
        asked = self.provider._codes.pop(code, None)
        if asked is None or asked["code_challenge"] != challenge(verifier):
            self.refuse("invalid_grant")
        else:
            self.write(self.provider.tokens(asked["nonce"]))
