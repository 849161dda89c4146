"""What open interest does to the market."""
