#!/usr/bin/env bash
# Mutants of the core of src/, each judged by the core tests (tests/core/):
#
#     model/mutants.sh [FILE...] [-- OPTION_OF_CARGO_MUTANTS...]
#     model/mutants.sh --lived [FILE...] [-- OPTION_OF_CARGO_MUTANTS...]
#
# The second runs again what lived in the first, after tests were written for it.
# In shards of 25; those that are done already are left out, so it can be ended at any time.
# Results go to $PURO_MUTANTS (target/mutants if not set); a row for each file to stdout: mutants,
# unviable, caught, those that hang, those that live.
# PURO_MUTANTS_ALL=1 leaves no test out: for what the fast ones let live.
set -euo pipefail

# What takes more than half a second, or starts its own program as somebody else where it is run
# by root, who may not enter PURO_SCRATCH.
SLOW=(truncation::a rollover_cuts::a_death rollover_cuts::others codec_props::segments_come_back
    recovery_table::a_repair_that_dies_anywhere faults::any_one_call faults::many_calls
    behind::both_ways locks::posix_locks_of_another_language disk_full::a_full_disk disk_full::a_producer_goes)
RIGHTS=(reading::a_reader_without_rights)

# As the runner of the tests: the first one that fails ends them all, so that a mutant that
# breaks much is dead before the first test hangs on it.
until_first_failure() {
    ulimit -v 8000000 # a loop that allocates must not take the machine with it
    RUST_BACKTRACE=0 PROPTEST_MAX_SHRINK_ITERS=0
    PURO_SCRATCH=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
    export RUST_BACKTRACE PROPTEST_MAX_SHRINK_ITERS PURO_SCRATCH TMPDIR=$PURO_SCRATCH
    trap 'rm -rf "$PURO_SCRATCH"' EXIT
    local skip=() word line
    for word in "${RIGHTS[@]}"; do skip+=(--skip "$word"); done
    if [[ -z ${PURO_MUTANTS_ALL:-} ]]; then
        for word in "${SLOW[@]}"; do skip+=(--skip "$word"); done
    fi
    coproc TESTS { exec "$@" "${skip[@]}" 2>&1; }
    local tests=$TESTS_PID out=${TESTS[0]}
    while IFS= read -r line <&"$out"; do
        printf '%s\n' "$line"
        if [[ $line == *'... FAILED' ]]; then
            kill -KILL "$tests"
            return 101
        fi
    done
    wait "$tests"
}

if [[ ${1:-} == --until-first-failure ]]; then
    shift
    until_first_failure "$@"
    exit
fi

cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p' | tr a-z- A-Z_)
export "CARGO_TARGET_${host}_RUNNER=$PWD/model/mutants.sh --until-first-failure"
results=${PURO_MUTANTS:-$PWD/target/mutants}
again=
[[ ${1:-} != --lived ]] || { again=yes; shift; }
files=()
while [[ $# -gt 0 && $1 != -- ]]; do files+=("$1"); shift; done
[[ $# -eq 0 ]] || shift
if [[ ${#files[@]} -eq 0 ]]; then
    files=(format/{codec,record,block,block/builder,header,topics}
        engine/{segment,tail,dir,seek,skip,reader,writer,writer/repair,writer/roll}
        producer producer/options producer/request consumer)
fi
judge() { # the options that say which
    # 2 and 3 say that mutants lived or took too long: results, not failures.
    cargo mutants --colors never --no-times --timeout "${PURO_MUTANTS_SECONDS:-20}" \
        --build-timeout 300 "$@" || [[ $? -eq 2 || $? -eq 3 ]]
}
if [[ -n $again ]]; then
    which=()
    for file in "${files[@]}"; do
        which+=(--file "src/$file.rs")
        while IFS= read -r name; do
            which+=(--re "^src/$file\\.rs:.*: $name\$") # Its line may be another one by now.
        done < <(sed -e 's/^[^ ]*: //' -e 's/[][().*+?^$|\\{}&]/\\&/g' \
            "$results/$file"/*/mutants.out/missed.txt | sort -u)
    done
    [[ " ${which[*]} " == *' --re '* ]] || exit 0
    mkdir -p "$results/lived"
    judge --output "$results/lived" "${which[@]}" "$@"
    cat "$results/lived/mutants.out/missed.txt"
    exit
fi
for file in "${files[@]}"; do
    mutants=$(cargo mutants --list --file "src/$file.rs" | wc -l)
    shards=$(((mutants + 24) / 25))
    for ((shard = 0; shard < shards; shard++)); do
        out=$results/$file/$shard
        [[ -e $out/done ]] && continue
        mkdir -p "$out"
        judge --output "$out" --file "src/$file.rs" \
            --sharding round-robin --shard "$shard/$shards" "$@"
        touch "$out/done"
    done
    count() { cat "$results/$file"/*/mutants.out/"$1.txt" | wc -l; }
    printf '| %s | %s | %s | %s | %s | %s |\n' "$file" "$mutants" "$(count unviable)" \
        "$(count caught)" "$(count timeout)" "$(count missed)"
done
