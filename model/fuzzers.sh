#!/usr/bin/env bash
# Each fuzzer for $PURO_FUZZ_SECONDS (60 if not set), from the kept inputs; what is found fails
# the run. What was done is kept for the table of model/README.md (model/tests/coverage_table.rs).
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
seconds=${PURO_FUZZ_SECONDS:-60}
coverage=${CARGO_TARGET_DIR:-$PWD/../target}/coverage
grown=$(mktemp -d)
trap 'rm -rf "$grown"' EXIT
mkdir -p "$coverage"
for target in decode recover operations; do
    mkdir "$grown/$target"
    cargo fuzz run --sanitizer none "$target" "$grown/$target" "corpus/$target" -- \
        -max_total_time="$seconds" -print_final_stats=1 >"$grown/log" 2>&1 ||
        { cat "$grown/log" >&2; exit 1; }
    inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$grown/log")
    line=$(printf '{"kind":"fuzz","scenario":"%s","executions":%s,"bound":%s,"seconds":%s}' \
        "$target" "$inputs" "$(ls "corpus/$target" | wc -l)" "$seconds")
    echo "$line" | tee "$coverage/fuzz-$target.json"
done
