#!/usr/bin/env bash
# Mechanisms of the protocol taken out of src/, one by one (model/patches/*.patch), each judged
# by the core tests (tests/core/), and where all of them pass, by the worlds of this crate:
#
#     model/patches.sh                       # the table to stdout
#     model/patches.sh roles                 # those of stewards, consumers and names instead
#     model/patches.sh threads               # those of threads that share a producer instead
#     PURO_README=write model/patches.sh     # and into model/README.md
#
# Those of roles (model/patches/roles/*.patch) are judged twice, whatever the first says: by the
# tests of who maintains and who has a name, and by the world of maintained streams, whose oracle
# (src/ledger.rs) knows nothing of the code.
#
# Those of threads (model/patches/threads/*.patch) are judged by loom: no other test orders threads.
#
# Results are kept in $PURO_PATCHES (target/patches if not set); what is there is not run again.
set -euo pipefail
cd "$(dirname "$0")/.."
results=${PURO_PATCHES:-$PWD/target/patches}
mkdir -p "$results"
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
git ls-files -z | xargs -0 cp --parents -t "$tree"
# Never where others build: what is built here must not pass for the code as it is.
export CARGO_TARGET_DIR=$results/build
host=$(rustc -vV | sed -n 's/^host: //p' | tr a-z- A-Z_)
export "CARGO_TARGET_${host}_RUNNER=$PWD/model/mutants.sh --until-first-failure"

# What runs too long hangs; how long it takes to build says nothing.
core() {
    cargo test --locked --profile mutants --test core --no-run &&
        timeout 240 cargo test --locked --profile mutants --test core
}
all_of_core() {
    PURO_MUTANTS_ALL=1 core
}
worlds() {
    PURO_CRASH_IMAGES=20000 PURO_RUNS=200 timeout 900 cargo test --locked -p puro-model
}

of_roles() {
    timeout 300 cargo test --locked --profile mutants --test core \
        --test maintained -- named:: expiry:: steward_delete:: steward_compact::
}
# All that is said, for it names the promise.
maintained() {
    local runner="CARGO_TARGET_${host}_RUNNER" test
    for test in long_stories_at_random a_pass every_cut_of_short_stories; do
        env -u "$runner" timeout 600 cargo test --locked --profile mutants -p puro-model \
            --test crash -- --nocapture "steward::$test" || return 1
    done
}

# Which test of roles notices, and which promise the world says is broken.
judged_twice() {
    local log=$results/$1.log test='*nothing*' promise='*nothing*' word
    if ! of_roles >"$log" 2>&1; then
        test=$(sed -n 's/^test \(.*\) \.\.\. FAILED$/`\1`/p' "$log" | head -n 1)
    fi
    if ! maintained >"$log.world" 2>&1; then
        word=$(sed -n 's/^    \([A-Z][A-Za-z]*\),$/\1/p' model/src/oracle.rs | paste -sd '|')
        promise=$(grep -oE "\b($word): " "$log.world" | head -n 1) ||
            promise=$(sed -n 's/^test \(.*\) \.\.\. FAILED$/`\1`/p' "$log.world" | head -n 1)
        promise=${promise%: }
    fi
    echo "${test:-it hangs} | ${promise:-it hangs}"
}

of_threads() {
    timeout 900 cargo test --locked -p puro-model --test loom -- buffered:: held::
}

# Who notices: the first test that fails, the compiler, or nobody.
judged() {
    local log=$results/$1.log stage failed
    for stage in "${stages[@]}"; do
        if "$stage" >"$log" 2>&1; then continue; fi
        failed=$(sed -n 's/^test \(.*\) \.\.\. FAILED$/`\1`/p' "$log" | head -n 1)
        [[ -n $failed ]] || failed=$(grep -q 'could not compile' "$log" && echo 'the compiler' || echo 'it hangs')
        echo "$failed"
        return
    done
    echo '*survives*'
}

patches=(model/patches/*.patch) judge=judged name_of_table=patches
stages=(core all_of_core worlds)
heads='| what was done to the code | killed by |\n|---|---|\n'
if [[ ${1:-} == roles ]]; then
    patches=(model/patches/roles/*.patch) judge=judged_twice name_of_table='patches of roles'
    heads='| what was done to the code | a test that notices | the world of maintained streams |\n|---|---|---|\n'
    export CARGO_PROFILE_MUTANTS_OPT_LEVEL=1 # It runs longer than it is built.
fi
if [[ ${1:-} == threads ]]; then
    patches=(model/patches/threads/*.patch) name_of_table='patches of threads'
    stages=(of_threads)
fi
table=$results/table.md
printf "$heads" >"$table"
for patch in "${patches[@]}"; do
    name=$(basename "$patch" .patch)
    if [[ ! -e $results/$name ]]; then
        (cd "$tree" && patch -s -p1) <"$patch" || { echo "$patch does not apply" >&2; exit 1; }
        (cd "$tree" && "$judge" "$name") >"$results/$name"
        (cd "$tree" && patch -s -R -p1) <"$patch"
    fi
    printf '| %s | %s |\n' "$(head -n 1 "$patch")" "$(cat "$results/$name")" >>"$table"
done
cat "$table"
if [[ ${PURO_README:-} == write ]]; then
    sed -i -e "/<!-- $name_of_table begins -->/,/<!-- $name_of_table ends -->/{/<!--/!d}" \
        -e "/<!-- $name_of_table begins -->/r $table" model/README.md
fi
