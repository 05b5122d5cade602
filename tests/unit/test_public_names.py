"""A change of the public surface is a change of this file, visible in review."""

from __future__ import annotations

import inspect
import subprocess
import sys

import hookline


def test_public_names() -> None:
    assert hookline.__all__ == [
        "ConfigError",
        "Event",
        "Fail",
        "Hookline",
        "Ignore",
        "NeedsReview",
        "Rejected",
        "Retry",
        "Verified",
        "VerifiedEvent",
        "verify",
    ]
    assert all(getattr(hookline, name).__name__ == name for name in hookline.__all__)
    assert set(hookline.__all__) <= set(dir(hookline))


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    assert not hasattr(hookline, "Hokline")


def test_what_a_handler_can_be_asked_for_is_what_on_takes() -> None:
    assert list(inspect.signature(hookline.Hookline.on).parameters) == [
        "self",
        "source",
        "types",
        "name",
        "ordering_key",
        "timeout",
        "retry",
        "concurrency",
        "when",
        "environment",
        "transaction",
    ]


def test_importing_the_package_imports_nothing_of_it() -> None:
    """The command line starts in the time of a bare interpreter only as long as this holds."""
    program = "import sys, hookline; print([name for name in sys.modules if name.startswith('hookline.')])"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
