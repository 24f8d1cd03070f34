"""Every acknowledged key is there, and at most one more."""
import os
import sys

import lmdb

image, acknowledged = sys.argv[1:]
wanted = [line.split()[1].encode() for line in open(acknowledged)]
if not os.path.exists(f"{image}/data.mdb"):
    sys.exit("acknowledged, there is no data.mdb" if wanted else 0)
try:
    with lmdb.open(image, map_size=1 << 20) as env, env.begin() as txn:
        found = {key: value for key, value in txn.cursor()}
except lmdb.Error as error:
    sys.exit(f"cannot be opened: {error}" if wanted else 0)
if any(found.get(key) != b"value " + key for key in wanted):
    sys.exit(f"acknowledged {wanted}, found {found}")
if len(found) > len(wanted) + 1:
    sys.exit(f"keys that nobody was told of: {found}")
