"""Rounds that break the workstation on purpose; `make faults` runs them all and prints what came of each."""
