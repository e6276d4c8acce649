"""Parts named in a configuration by ``_target_``: found, checked, and built."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

from sntorch.errors import ConfigError

T = TypeVar("T")


def plain(config: Any) -> Any:
    """The same configuration as plain dicts and lists, which any checkpoint can hold."""
    if isinstance(config, Mapping):
        return {str(key): plain(config[key]) for key in config}
    if isinstance(config, str) or not hasattr(config, "__iter__"):
        return config
    return [plain(value) for value in config]


def target_class(config: Mapping[str, Any], kind: type[T]) -> type[T]:
    """The class that ``_target_`` names.

    A checkpoint from elsewhere carries its configuration, so anything that is not a subclass of
    ``kind`` is refused rather than called.

    Raises:
        ConfigError: No ``_target_``, no such class, or one of another kind.
    """
    name = config.get("_target_")
    if not isinstance(name, str) or "." not in name:
        raise ConfigError(f"_target_ {name!r}: a class as package.module.Class is accepted")
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"_target_ {name}: not found ({error})") from error
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise ConfigError(f"_target_ {name}: a subclass of {kind.__name__} is accepted")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        raise ConfigError(f"_target_ {name}: an abstract class, {missing} is not implemented")
    return found


def build(config: Mapping[str, Any], kind: type[T], **extra: Any) -> T:
    """An instance of the class that ``_target_`` names, from the other entries and ``extra``.

    An error inside the class's own code is not a wrong setting: it comes out as it is.

    Raises:
        ConfigError: As ``target_class``, or arguments that the class does not accept.
    """
    cls = target_class(config, kind)
    arguments = {key: value for key, value in config.items() if not key.startswith("_")}
    try:
        inspect.signature(cls).bind(**arguments, **extra)
    except TypeError as error:
        raise ConfigError(f"_target_ {config['_target_']}: {error}") from error
    return cls(**arguments, **extra)
