"""Keys, each in a transaction of its own and then acknowledged."""
import sys

import lmdb

with lmdb.open(".", map_size=1 << 20, sync=sys.argv[1:] != ["nosync"]) as env:
    for number in range(6):
        with env.begin(write=True) as txn:
            txn.put(b"%d" % number, b"value %d" % number)
        print("key", number, flush=True)
