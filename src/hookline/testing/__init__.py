"""For your own tests: requests signed as the provider signs them, and your handlers behind the real thing.

``pytest`` finds the fixtures by itself::

    def test_a_paid_invoice_marks_the_order(webhooks):
        sent = webhooks.send("stripe", "invoice.paid", set={"data.object.id": "in_1"})
        assert sent.state() == "succeeded"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hookline.testing.client import Recorded, Sent, Webhooks
    from hookline.testing.sign import signed

__all__ = ["Recorded", "Sent", "Webhooks", "signed"]


def __getattr__(name: str) -> Any:
    """Imported when used: pytest loads this package in every run of everybody who has Hookline installed."""
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module 'hookline.testing' has no attribute {name!r}")
    return getattr(import_module("hookline.testing.sign" if name == "signed" else "hookline.testing.client"), name)
