"""Room 6: claims what is due, lets its destination try once, and settles what came of it."""

from hookline.worker.loop import Worker
from hookline.worker.service import Service
from hookline.worker.settings import WorkerSettings

__all__ = ["Service", "Worker", "WorkerSettings"]
