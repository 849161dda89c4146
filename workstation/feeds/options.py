"""Options of feeds: typed by the parameters each feed declares, so that no name, type or default stands twice."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError

from workstation.market.errors import FeedError, unknown_name

_NOT_OPTIONS = ("self", "parameters")


def option_types(feed: type) -> dict[str, Any]:
    """Name and type of each option of a feed's class.

    They are the parameters of its constructor; where it takes ``parameters`` of a dataclass and changes to them by keyword,
    the fields of that dataclass too.

    Examples
    --------
    >>> from workstation.feeds.synthetic import Synthetic
    >>> option_types(Synthetic)["slice_ms"]
    <class 'int'>
    """
    hints = get_type_hints(feed.__init__)  # type: ignore[misc]
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    own = {
        name: hints.get(name, Any)
        for name, parameter in inspect.signature(feed).parameters.items()
        if parameter.kind in plain and name not in _NOT_OPTIONS
    }
    for kind in get_args(hints.get("parameters")):
        if is_dataclass(kind):
            of_fields = get_type_hints(kind)
            own |= {one.name: of_fields[one.name] for one in fields(kind)}
    return own


def check_names(name: str, feed: type, options: Mapping[str, Any]) -> None:
    """Raise ``FeedError``, fatal, for an option that the feed does not have; it names the nearest that it has."""
    known = option_types(feed)
    for option in options:
        if option not in known and option not in _NOT_OPTIONS:
            raise FeedError(
                f"feed {name!r} refuses its options: {unknown_name('option', option, known)}", fatal=True
            )


def typed_options(name: str, feed: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a feed as the types it declares: of texts (environment, TOML) numbers, sequences and secrets.

    Raises
    ------
    FeedError
        ``fatal``: no such option, or a value that is none of its type; secrets are not repeated.

    Examples
    --------
    >>> from workstation.feeds.synthetic import Synthetic
    >>> typed_options("synthetic", Synthetic, {"rate": "200", "speed": "max"})
    {'rate': 200.0, 'speed': 'max'}
    """
    check_names(name, feed, options)
    try:
        checked = _model(feed).model_validate({key: _parsed(value) for key, value in options.items()})
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in wrong["loc"] if isinstance(part, str) and "[" not in part)
        raise FeedError(f"feed {name!r}: option {place}: {wrong['msg']}", fatal=True) from None
    return {key: getattr(checked, key) for key in options}


@lru_cache
def _model(feed: type) -> type[BaseModel]:
    """A model with the options of a feed, none of them required."""
    declared: dict[str, Any] = {key: (_checkable(kind), None) for key, kind in option_types(feed).items()}
    config = ConfigDict(extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=False)
    model: type[BaseModel] = create_model(feed.__name__, __config__=config, **declared)
    return model


def _checkable(kind: Any) -> Any:
    """The type to check a value by: a secret for what may be one, anything where pydantic knows no check."""
    if SecretStr in get_args(kind):
        return SecretStr
    if kind is str:
        return str | SecretStr
    try:
        create_model("_", value=(kind, None))
    except PydanticSchemaGenerationError:
        return Any
    return kind


def _parsed(value: Any) -> Any:
    """Text that is a list or an object in JSON, as environment variables give them; anything else as it is."""
    if isinstance(value, str) and value.strip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
