"""OpenID Connect: authorization code with PKCE, state and nonce; who somebody is, only from a verified ID token."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ipaddress
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError, MissingKeyError
from joserfc.jwk import KeySet
from tornado.httpclient import HTTPClientError
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from workstation.access.parameters import OidcParameters
from workstation.access.roles import Role, highest_role
from workstation.market.errors import WorkstationError

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""Signatures that are taken: none with a shared key, and not none at all."""
_ANSWER_BYTES, _TIMEOUT_S = 1_000_000, 10.0
_KEYS_AGAIN_S, _DISCOVERY_S = 30.0, 3600.0


class LoginError(WorkstationError):
    """A login that is refused: a short reason for counts, words for the person; never the token.

    Attributes
    ----------
    final
        Trying again with the same refresh token cannot help.
    """

    def __init__(self, reason: str, words: str, *, final: bool = True) -> None:
        super().__init__(words)
        self.reason, self.final = reason, final


@dataclass(frozen=True)
class Identity:
    """What a verified ID token and its companions say."""

    subject: str
    name: str
    role: Role
    expires_in: float
    id_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


def challenge(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier (RFC 7636, appendix B).

    >>> challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def trusted_address(url: str) -> bool:
    """Whether secrets may go there: HTTPS, or this machine.

    >>> [trusted_address(url) for url in ("https://id.example/x", "http://127.0.0.1:8080", "http://id.example")]
    [True, True, False]
    """
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    try:
        return parts.scheme == "http" and (
            parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
        )
    except ValueError:
        return False


class OidcClient:
    """One provider; used on one event loop.

    Parameters
    ----------
    parameters
        Issuer, client and where roles are.
    redirect_uri
        Where the provider sends people back to.
    now
        Seconds since 1970, by which tokens expire.
    """

    def __init__(
        self, parameters: OidcParameters, redirect_uri: str, now: Callable[[], float] = time.time
    ) -> None:
        for name in ("issuer", "client_id"):
            if not getattr(parameters, name):
                raise WorkstationError(f"--login oidc needs server.oidc.{name}")
        if not trusted_address(parameters.issuer):
            raise WorkstationError("server.oidc.issuer must be https, or on this machine")
        self._own, self._redirect_uri, self._now = parameters, redirect_uri, now
        self._secret = parameters.secret()
        self._lock = asyncio.Lock()
        self._provider: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._provider_at = self._keys_at = float("-inf")

    async def reach(self) -> str:
        """Try the provider: its name for itself and how many keys it has. Raises ``LoginError``."""
        provider = await self._discovered()
        return f"{provider['issuer']} answers, {len((await self._key_set()).keys)} keys"

    # -- login ------------------------------------------------------------------------------------------------

    async def authorization_url(self, *, state: str, nonce: str, verifier: str) -> str:
        """Where a browser is sent to log in."""
        provider = await self._discovered()
        query = {
            "response_type": "code", "client_id": self._own.client_id, "redirect_uri": self._redirect_uri, "scope": self._own.scope,
            "state": state, "nonce": nonce, "code_challenge": challenge(verifier), "code_challenge_method": "S256",
        }  # fmt: skip
        joined = "&" if urlsplit(provider["authorization_endpoint"]).query else "?"
        return f"{provider['authorization_endpoint']}{joined}{urlencode(query)}"

    async def identify(self, *, code: str, verifier: str, nonce: str) -> Identity:
        """Exchange a code and verify what comes. Raises ``LoginError``."""
        answer = await self._token(
            {"grant_type": "authorization_code", "code": code, "redirect_uri": self._redirect_uri, "code_verifier": verifier}
        )  # fmt: skip
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise LoginError("no_id_token", "the provider sent no ID token")
        claims = await self._verified(token)
        if claims.get("nonce") != nonce:
            raise LoginError("nonce", "the ID token is of another login")
        return self._identity(claims, answer, token)

    async def refresh(self, refresh_token: str, before: Identity) -> Identity:
        """A new proof of the same person; the roles of the new ID token, or those verified before where none comes."""
        answer = await self._token({"grant_type": "refresh_token", "refresh_token": refresh_token})
        answer.setdefault("refresh_token", refresh_token)
        token = answer.get("id_token")
        if not isinstance(token, str):
            expires_in = _seconds(answer.get("expires_in"))
            return Identity(
                before.subject, before.name, before.role, expires_in, before.id_token, str(answer["refresh_token"])
            )  # fmt: skip
        claims = await self._verified(token)
        if claims["sub"] != before.subject:
            raise LoginError("subject", "the refreshed token is somebody else's")
        return self._identity(claims, answer, token)

    async def logout_url(self, id_token: str, back: str) -> str | None:
        """Where a browser ends the provider's own session; None where the provider has no such place."""
        provider = await self._discovered()
        where = provider.get("end_session_endpoint")
        if not isinstance(where, str) or not trusted_address(where):
            return None
        query = {
            "id_token_hint": id_token,
            "post_logout_redirect_uri": back,
            "client_id": self._own.client_id,
        }
        return f"{where}?{urlencode(query)}"

    # -- proof ------------------------------------------------------------------------------------------------

    async def _verified(self, token: str) -> dict[str, Any]:
        """Claims of an ID token whose signature, issuer, audience and times hold."""
        try:
            try:
                read = jwt.decode(token, await self._key_set(), algorithms=ALGORITHMS)
            except (InvalidKeyIdError, MissingKeyError, ValueError):
                read = jwt.decode(token, await self._key_set(again=True), algorithms=ALGORITHMS)
            claims = jwt.JWTClaimsRegistry(
                now=lambda: int(self._now()),
                leeway=self._own.leeway_s,
                iss={"essential": True, "value": self._own.issuer},
                sub={"essential": True, "allow_blank": False},
                aud={"essential": True, "value": self._own.client_id},
                exp={"essential": True},
                iat={"essential": True},
            )
            claims.validate(read.claims)
        except JoseError as error:
            raise LoginError(error.error, f"the ID token is refused: {error.error}") from None
        except ValueError:
            raise LoginError("unreadable", "the ID token cannot be read") from None
        found = dict(read.claims)
        several = isinstance(found["aud"], list) and len(found["aud"]) > 1
        if (several or "azp" in found) and found.get("azp") != self._own.client_id:
            raise LoginError("azp", "the ID token was made for another client")
        return found

    def _identity(self, claims: Mapping[str, Any], answer: Mapping[str, Any], token: str) -> Identity:
        held: Any = claims
        for part in self._own.roles_claim.split("."):
            held = held.get(part) if isinstance(held, Mapping) else None
        role = highest_role(held if isinstance(held, list) else [])
        if role is None:
            raise LoginError("no_role", "you have no role here: viewer, trader or admin")
        name = claims.get("preferred_username") or claims.get("name") or claims["sub"]
        left = float(claims["exp"]) - self._now() + self._own.leeway_s
        refresh_token = answer.get("refresh_token")
        return Identity(
            str(claims["sub"]), str(name)[:64], role, left, token, refresh_token if isinstance(refresh_token, str) else ""
        )  # fmt: skip

    async def _key_set(self, *, again: bool = False) -> KeySet:
        provider = await self._discovered()
        async with self._lock:
            old = time.monotonic() - self._keys_at
            if self._keys is None or (again and old > _KEYS_AGAIN_S) or old > _DISCOVERY_S:
                self._keys = KeySet.import_key_set(await self._json(provider["jwks_uri"]))  # type: ignore[arg-type]
                self._keys_at = time.monotonic()
            return self._keys

    async def _discovered(self) -> dict[str, Any]:
        async with self._lock:
            if time.monotonic() - self._provider_at > _DISCOVERY_S:
                found = await self._json(self._own.issuer.rstrip("/") + "/.well-known/openid-configuration")
                if found.get("issuer") != self._own.issuer:
                    raise LoginError("issuer", "the provider calls itself otherwise than server.oidc.issuer")
                for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                    if not isinstance(found.get(name), str) or not trusted_address(found[name]):
                        raise LoginError("discovery", f"the provider's {name} is missing or not https")
                self._provider, self._provider_at = found, time.monotonic()
            return self._provider

    async def _token(self, form: dict[str, str]) -> dict[str, Any]:
        provider = await self._discovered()
        own: dict[str, Any] = {}
        if self._secret:
            methods = provider.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
            if "client_secret_basic" in methods:
                own = {"auth_username": self._own.client_id, "auth_password": self._secret}
            else:
                form = form | {"client_secret": self._secret}
        form = form | {"client_id": self._own.client_id}
        return await self._json(provider["token_endpoint"], method="POST", body=urlencode(form), **own)

    async def _json(self, url: str, **options: Any) -> dict[str, Any]:
        client = SimpleAsyncHTTPClient(force_instance=True, max_body_size=_ANSWER_BYTES)
        try:
            answer = await client.fetch(
                url, follow_redirects=False, connect_timeout=_TIMEOUT_S, request_timeout=_TIMEOUT_S, **options
            )
            read = json.loads(answer.body)
        except HTTPClientError as error:
            refused = 400 <= error.code < 500
            words = "the provider refuses the code or token" if refused else "the provider does not answer"
            raise LoginError("refused" if refused else "unreachable", words, final=refused) from None
        except (OSError, ValueError):
            raise LoginError(
                "unreachable", "the provider does not answer as it should", final=False
            ) from None
        finally:
            client.close()
        if not isinstance(read, dict):
            raise LoginError("unreachable", "the provider does not answer as it should", final=False)
        return read


def _seconds(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9:
        return float(value)
    raise LoginError("expires_in", "the provider does not say how long the refreshed token holds")
