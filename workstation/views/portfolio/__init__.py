"""What we hold, on the screen: greeks, positions, PnL with its explain, what-if."""
