#!/bin/sh
# For any CI that runs a script: fails on findings, and on what could not be measured.
set -e
puro-crash run --dir work --check "$PWD/example/check" --profile all --seconds 60 \
    --junit crash.xml --html crash.html -- "$PWD/example/save"
