"""What every page has: header, session, health."""
