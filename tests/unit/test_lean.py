"""What the processes do not carry along."""

from __future__ import annotations

import subprocess
import sys


def test_the_processes_do_not_load_rich_and_users_still_can() -> None:
    code = (
        "import sys, hookline.runtime.ingest, hookline.runtime.work, hookline.runtime.pages\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'rich']\n"
        "import rich.console\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
