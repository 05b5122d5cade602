"""How objects look as tables."""

from __future__ import annotations

import pytest

from hookline.admin.objects import Delivery, at
from hookline.cli import show

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("phase", "after", "says"),
    [
        ("retrying", 90, "in 1m 30s"),
        ("due", -6, "now"),
        ("no worker", -6, ""),
        ("paused", -6, ""),
        ("ordered", -6, ""),
        ("running", -6, ""),
        (None, -6, ""),
    ],
)
def test_the_next_try_is_a_time_ahead_or_now_or_not_known(capsys, phase, after, says):
    state = "pending" if phase else "succeeded"
    row = Delivery(id="dlv_1", event="evt_1", destination="deploy", state=state, phase=phase, due_at=at(NOW + after))
    show.deliveries([row], NOW)
    titles, line = capsys.readouterr().out.splitlines()
    start = titles.index("NEXT")
    assert line[start : titles.index("CHANGED")].strip() == says
