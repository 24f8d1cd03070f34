#!/usr/bin/env bash
# Mechanisms of the protocol taken out of src/, one by one (model/patches/*.patch), each judged
# by the core tests (tests/core.rs), and where all of them pass, by the worlds of this crate:
#
#     model/patches.sh                       # the table to stdout
#     PURO_README=write model/patches.sh     # and into model/README.md
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

core() {
    timeout 120 cargo test --locked --profile mutants --no-default-features --test core
}
all_of_core() {
    PURO_MUTANTS_ALL=1 core
}
worlds() {
    PURO_CRASH_IMAGES=20000 PURO_RUNS=200 timeout 900 cargo test --locked -p puro-model
}

# Who notices: the first test that fails, the compiler, or nobody.
judged() {
    local log=$results/$1.log stage failed
    for stage in core all_of_core worlds; do
        if "$stage" >"$log" 2>&1; then continue; fi
        failed=$(sed -n 's/^test \(.*\) \.\.\. FAILED$/`\1`/p' "$log" | head -n 1)
        [[ -n $failed ]] || failed=$(grep -q 'could not compile' "$log" && echo 'the compiler' || echo 'it hangs')
        echo "$failed"
        return
    done
    echo '*survives*'
}

table=$results/table.md
printf '| what was done to the code | killed by |\n|---|---|\n' >"$table"
for patch in model/patches/*.patch; do
    name=$(basename "$patch" .patch)
    if [[ ! -e $results/$name ]]; then
        (cd "$tree" && patch -s -p1) <"$patch" || { echo "$patch does not apply" >&2; exit 1; }
        (cd "$tree" && judged "$name") >"$results/$name"
        (cd "$tree" && patch -s -R -p1) <"$patch"
    fi
    printf '| %s | %s |\n' "$(head -n 1 "$patch")" "$(cat "$results/$name")" >>"$table"
done
cat "$table"
if [[ ${PURO_README:-} == write ]]; then
    sed -i -e '/<!-- patches begins -->/,/<!-- patches ends -->/{/<!--/!d}' \
        -e "/<!-- patches begins -->/r $table" model/README.md
fi
