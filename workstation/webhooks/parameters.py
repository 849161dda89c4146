"""Parameters of webhooks, as the settings hold them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class WebhookParameters(BaseModel):
    """Where alerts are sent on to, and how patiently.

    Examples
    --------
    >>> WebhookParameters(url="https://hooks.example/T0/secret").url
    SecretStr('**********')
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: SecretStr = SecretStr("")
    """A secret, because many receivers put their token into it."""
    signing_secret: SecretStr = Field(
        default=SecretStr(""),
        description="signs each request: X-Workstation-Signature is HMAC-SHA256 of time, dot and body",
    )
    least_severity: Literal["low", "medium", "high"] = Field(
        default="low", description="alerts of this severity and above"
    )
    private_addresses: bool = Field(
        default=False, description="allow receivers on this machine and in private networks, and http"
    )
    attempts: int = Field(default=6, ge=1, le=20, description="tries until a request is given up")
    timeout_s: float = Field(default=10.0, gt=0.0, le=120.0, description="of one try, from name to answer")
    backoff_s: float = Field(
        default=1.0,
        gt=0.0,
        le=60.0,
        description="pause after the first failure; doubles each time, up to 60 s",
    )
    waiting: int = Field(
        default=1_000, ge=1, description="requests that may wait; the oldest is given up for a new one"
    )
