"""The public door: raw bytes in, limits and deadlines, one lookup, and the reply after the commit."""

from hookline.door.limits import Limits
from hookline.door.server import Door, serve

__all__ = ["Door", "Limits", "serve"]
