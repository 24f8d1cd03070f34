"""Replaces a file; `broken` leaves out the fsync of the new one."""
import os
import sys


def put(name, text, safely):
    with open(name, "w") as file:
        file.write(text)
        file.flush()
        if safely:
            os.fsync(file.fileno())


def sync_directory():
    directory = os.open(".", os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


put("data", "old", True)
sync_directory()
print("old", flush=True)
put("tmp", "new", sys.argv[1:] != ["broken"])
os.rename("tmp", "data")
sync_directory()
print("new", flush=True)
