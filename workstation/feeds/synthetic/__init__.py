"""A seeded market that needs no network: prices, chains and flow that look like the real thing."""

from workstation.feeds.synthetic.feed import Synthetic, SyntheticParameters

__all__ = ["Synthetic", "SyntheticParameters"]
