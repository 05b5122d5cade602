"""Room 7: where events go. :func:`build` makes a destination of its table in the file."""

from __future__ import annotations

import time
from collections.abc import Callable

from hookline.config import Config, Destination
from hookline.destinations import base
from hookline.destinations.build import Options, Surroundings, makers
from hookline.errors import ConfigError

__all__ = ["build"]


def build(destination: Destination, config: Config, *, now: Callable[[], float] = time.time) -> base.Destination:
    """What a worker sends to. Texts of ``destination`` are resolved already.

    :raises ConfigError: naming the key, what is wrong with it, and the cure.
    """
    key = f"destinations.{destination.name}"
    maker = makers().get(destination.type)
    if maker is None:
        known = ", ".join(f'"{name}"' for name in makers())
        raise ConfigError(f'{key}.type: "{destination.type}" is not known — write {known}')
    options = Options(destination.options, key)
    made = maker(destination, options, Surroundings(config, now))
    options.refuse_the_rest()
    return made
