"""Parameters of the login, as the settings hold them."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from workstation.market.errors import WorkstationError


class OidcParameters(BaseModel):
    """An OpenID Connect provider.

    Examples
    --------
    >>> OidcParameters(issuer="https://id.example", client_id="desk", client_secret="s").client_secret
    SecretStr('**********')
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    issuer: str = Field(
        default="", description="as the provider's discovery document names it, without a slash more or less"
    )
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    client_secret_file: Path | None = Field(
        default=None, description="file that holds the secret, in place of client_secret"
    )
    roles_claim: str = Field(
        default="roles",
        description="claim of the ID token that lists the roles viewer, trader and admin; dots go into it: realm_access.roles",
    )
    scope: str = "openid profile"
    leeway_s: int = Field(default=10, ge=0, le=120, description="difference of clocks that is allowed for")

    def secret(self) -> str:
        """The client's secret; ``WorkstationError`` where its file cannot be read."""
        if self.client_secret_file is None:
            return self.client_secret.get_secret_value()
        try:
            return self.client_secret_file.read_text().strip()
        except OSError as error:
            raise WorkstationError(f"server.oidc.client_secret_file: {error}") from error
