#!/bin/sh
set -e
echo old >data && sync data && sync . && echo old
echo new >tmp && sync tmp && mv tmp data && sync . && echo new
