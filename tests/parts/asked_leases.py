"""What most sources of claimed work have in common."""

from __future__ import annotations


class AskedLeases:
    """Leases are as long as a claim asks for, and the server tells who holds a message now."""

    tells_losses = True
    holds_on = True
    pace = 1

    def lasts(self, lease_s: float) -> None:
        """Nothing has to be said beforehand."""
