"""Room 7: where events go. :func:`build` makes a destination of its table in the file."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from hookline.errors import ConfigError

if TYPE_CHECKING:  # a worker that has only Python handlers needs none of it
    from hookline.config import Config
    from hookline.config import Destination as Settings
    from hookline.destinations.base import Destination

__all__ = ["build"]


def build(settings: Settings, config: Config, *, now: Callable[[], float] = time.time) -> Destination:
    """What a worker sends to. Texts of ``settings`` are resolved already.

    :raises ConfigError: naming the key, what is wrong with it, and the cure.
    """
    from hookline.destinations.makers import MAKERS, Options, Surroundings

    key = f"destinations.{settings.name}"
    maker = MAKERS.get(settings.type)
    if maker is None:
        known = ", ".join(f'"{name}"' for name in MAKERS)
        raise ConfigError(f'{key}.type: "{settings.type}" is not known — write {known}')
    options = Options(settings.options, key)
    made = maker(settings, options, Surroundings(config, now))
    options.refuse_the_rest()
    return made
