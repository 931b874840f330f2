"""What `tidegate up` makes of its flags."""

from __future__ import annotations

import pytest

from tidegate.cli.commands.up import DASHBOARD_PORT, dashboard_at


@pytest.mark.parametrize(
    ("is_wanted", "port", "at"),
    [(False, None, None), (True, None, DASHBOARD_PORT), (True, 0, 0), (False, 0, 0), (False, 7000, 7000)],
)
def test_who_names_a_port_of_the_dashboard_wants_one(is_wanted, port, at):
    assert dashboard_at(is_wanted, port) == at
