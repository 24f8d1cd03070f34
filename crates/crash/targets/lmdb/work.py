"""Keys, each in a transaction of its own and then acknowledged.

Arguments: nothing, `nosync`, or `prepare`: only make the environment.
"""
import sys

import lmdb

with lmdb.open(".", map_size=1 << 20, sync=sys.argv[1:] != ["nosync"]) as env:
    if sys.argv[1:] == ["prepare"]:
        sys.exit()
    for number in range(6):
        with env.begin(write=True) as txn:
            txn.put(b"%d" % number, b"value %d" % number)
        print(f"key {number}", flush=True)
