"""Tables of the manifest's SQLite file, and what to do when SQLite refuses."""

from __future__ import annotations

FORMAT = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heads (
    table_name TEXT PRIMARY KEY, next_row INTEGER NOT NULL, last_seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (
    id INTEGER PRIMARY KEY AUTOINCREMENT, table_name TEXT NOT NULL, first_row INTEGER NOT NULL,
    rows INTEGER NOT NULL, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL, written_ns INTEGER NOT NULL, checksum INTEGER NOT NULL, bytes INTEGER NOT NULL,
    batch BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS log_by_time ON log (table_name, last_ns);
CREATE TABLE IF NOT EXISTS segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT, table_name TEXT NOT NULL, file TEXT NOT NULL UNIQUE,
    first_row INTEGER NOT NULL, rows INTEGER NOT NULL, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,
    first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, bytes INTEGER NOT NULL, checksum INTEGER NOT NULL,
    retired INTEGER);
CREATE INDEX IF NOT EXISTS segments_by_time ON segments (table_name, last_ns);
CREATE TABLE IF NOT EXISTS quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT, table_name TEXT NOT NULL, piece TEXT NOT NULL, rows INTEGER NOT NULL,
    first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, found_ns INTEGER NOT NULL, reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS drafts (file TEXT PRIMARY KEY, sources TEXT NOT NULL) WITHOUT ROWID;
"""
WITNESS = "history.witness"
MANIFEST = "history.sqlite"

_REPAIR = "`workstation history repair FOLDER` keeps it aside, saves what can be read of it and rebuilds it from the segments"
ADVICE = {
    "full": "nothing of this write was kept, what was acknowledged is safe; free space and write again",
    "readonly": "the folder or file is not writable; open it where this user may write",
    "read-only": "the folder or file is not writable; open it where this user may write",
    "unable to open": "check that the folder exists and that this user may write there",
    "locked": "another process has held the store too long; is it stopped in a debugger?",
    "malformed": f"the file is damaged; {_REPAIR}",
    "not a database": f"this is not a history, or its file is damaged: choose another folder, or {_REPAIR}",
    "no such table": f"this is not a history, or its file is damaged: choose another folder, or {_REPAIR}",
}
"""Word of an SQLite error -> what to do."""
