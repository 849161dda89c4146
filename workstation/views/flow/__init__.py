"""The flow page: tapes, alerts with their evidence, net premium and what happens off exchange."""
