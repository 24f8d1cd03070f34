#!/bin/sh
# The second half of the recipe is not there: no fsync of tmp.
set -e
echo old >data && sync data && sync . && echo old
echo new >tmp && mv tmp data && sync . && echo new
