"""Rows, each committed by itself and then acknowledged. Arguments: journal mode, synchronous."""
import sqlite3
import sys

mode, synchronous = sys.argv[1:]
db = sqlite3.connect("x.db", isolation_level=None)
db.execute(f"pragma journal_mode={mode}")
db.execute(f"pragma synchronous={synchronous}")
db.execute("create table t(a integer primary key)")
for row in range(6):
    db.execute("insert into t values(?)", (row,))
    print(f"row {row}", flush=True)
