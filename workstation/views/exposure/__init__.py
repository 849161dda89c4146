"""What open interest does to the market, on the screen."""
