"""The files of docs/deploy are read by their own formats, and their settings and commands by the workstation."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from workstation.cli import app
from workstation.cli.serving import check_exposed
from workstation.settings import Settings

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
OURS = [name for name, service in COMPOSE["services"].items() if service["image"] == "workstation"]


def parsed(arguments: list[str]) -> None:
    """Parse a command line as the workstation would, and run nothing."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("workstation", arguments, resilient_parsing=False)
    while getattr(command, "commands", None):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)


def test_a_command_line_that_is_none_is_seen() -> None:
    for wrong in (["serve", "--colour"], ["paint"], ["history", "backup"]):
        with pytest.raises(Exception, match=r"No such|Missing"):
            parsed(wrong)


@pytest.mark.parametrize("name", OURS)
def test_services_of_ours_are_locked_down_and_start_as_written(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] and service["cap_drop"] == ["ALL"] and "ports" not in service
    parsed(service["command"])
    for given in [one for one in os.environ if one.startswith("WORKSTATION_")]:
        monkeypatch.delenv(given)
    monkeypatch.chdir(tmp_path)
    for variable, value in service["environment"].items():
        monkeypatch.setenv(variable, value)
    settings = Settings()
    if "serve" in service["command"]:
        check_exposed(settings.server, without_login=False)
        assert settings.server.oidc.issuer and settings.server.oidc.client_secret_file is not None
        assert settings.feeds == ("bus",)


def test_volumes_secrets_and_files_are_there() -> None:
    named = {
        volume.split(":")[0] for one in COMPOSE["services"].values() for volume in one.get("volumes", ())
    }
    assert {one for one in named if not one.startswith(".")} == set(COMPOSE["volumes"])
    assert {one for service in COMPOSE["services"].values() for one in service.get("secrets", ())} == set(
        COMPOSE["secrets"]
    )
    assert all((DEPLOY / one).exists() for one in named if one.startswith("./") and one != "./tls")
    for service in COMPOSE["services"].values():
        for port in service.get("ports", ()):
            assert port == "443:443", "only TLS is open to the outside"


def test_the_image_is_not_root_and_copies_what_is_there() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    kinds = [kind for kind, _ in steps]
    assert "HEALTHCHECK" in kinds and ["USER", "10001"] in steps
    for kind, rest in steps:
        if kind == "COPY" and "--from" not in rest:
            assert all((DEPLOY.parents[1] / one).exists() for one in rest.split()[:-1]), rest
    parsed(json.loads(next(rest for kind, rest in steps if kind == "CMD")))


@pytest.mark.parametrize("path", sorted(DEPLOY.glob("workstation-*")), ids=lambda path: path.name)
def test_units_of_systemd(path: Path) -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(path.read_text())
    if path.suffix == ".timer":
        assert (path.with_suffix(".service")).exists() and unit["Timer"]["OnCalendar"].endswith("UTC")
        return
    service = unit["Service"]
    assert service["User"] == "workstation" and service["NoNewPrivileges"] == "yes"
    command = shlex.split(service["ExecStart"].replace("%i", "5006"))
    if command[0] == "/bin/sh":
        command = shlex.split(command[2].replace("$(date -u +%%Y-%%m-%%dT%%H%%M)", "now"))[1:]
    assert command[0].endswith("/workstation")
    parsed(command[1:])


def test_nginx_and_the_realm_fit_the_settings() -> None:
    text = re.sub(r"#.*", "", (DEPLOY / "nginx.conf").read_text())
    depth = 0
    for line in text.splitlines():
        depth += line.count("{") - line.count("}")
        assert depth >= 0
        assert not line.strip() or line.strip()[-1] in "{};", line
    assert depth == 0 and "proxy_set_header Upgrade" in text and "ssl_protocols" in text
    for name in re.findall(r"proxy_pass http://([\w-]+)", text):
        assert name == "pages" or name in COMPOSE["services"]
    realm = json.loads((DEPLOY / "keycloak_realm.json").read_text())
    client = realm["clients"][0]
    environment = COMPOSE["services"]["pages-1"]["environment"]
    oidc = json.loads(environment["WORKSTATION_SERVER__OIDC"])
    assert oidc["issuer"].endswith(f"/realms/{realm['realm']}") and oidc["client_id"] == client["clientId"]
    assert client["redirectUris"] == [environment["WORKSTATION_SERVER__PUBLIC_URL"] + "/login/callback"]
    assert client["protocolMappers"][0]["config"]["claim.name"] == oidc["roles_claim"]
    assert {role["name"] for role in realm["roles"]["realm"]} == {"viewer", "trader", "admin"}
