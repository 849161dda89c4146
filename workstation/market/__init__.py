"""The vocabulary: tables, instruments, symbols, calendars, conditions and the errors of the edge."""
