"""One option: price, greeks, implied vol, and the chain of them."""
