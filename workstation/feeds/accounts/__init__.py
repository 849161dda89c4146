"""Private account data of the venues: positions, fills and balances, read only."""

from __future__ import annotations

from workstation.feeds.accounts.feed import Accounts

__all__ = ["Accounts"]
