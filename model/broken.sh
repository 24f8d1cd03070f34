#!/usr/bin/env bash
# Lines of the protocol broken in src/, one at a time (model/broken/*.patch). Each is judged by
# the runs of the code that must be behaviours of the specification, and by the graph walk:
#
#     model/broken.sh                       # the table to stdout
#     model/broken.sh seal-unsynced         # only this one
#     PURO_README=write model/broken.sh     # and into model/README.md
#
# Results are kept in $PURO_BROKEN (target/broken if not set); what is there is not run again.
set -euo pipefail
cd "$(dirname "$0")/.."
results=${PURO_BROKEN:-$PWD/target/broken}
mkdir -p "$results/tree"
tree=$results/tree
git ls-files -z | xargs -0 cp --parents -t "$tree"
# Never where others build: what is built here must not pass for the code as it is.
export CARGO_TARGET_DIR=$results/build

build() {
    cargo build --locked --profile test -p puro-tla --bin tla-check >"$results/$1-build.log" 2>&1
}

check() {
    timeout 900 "$CARGO_TARGET_DIR/debug/tla-check" "$@"
}

# Which events were refused, if any: how many runs, and the first of them.
traces() {
    local log=$results/$1-traces.log refused first
    if check --only-traces >"$log" 2>&1; then echo -; return; fi
    refused=$(grep -c ' is refused: ' "$log" || true)
    first=$(sed -n 's/^\([A-Za-z]*\), run [0-9]*: event \([0-9]*\) is refused: \(\[op |-> "\([A-Za-z]*\)".*\)\?$/in \1 event \2, `\4`/p' "$log" | head -n 1)
    if [[ -n $first ]]; then
        echo "$refused runs refused; first $first" | sed 's/, ``$/, a promise at the end/'
    else
        grep -v '^traces of ' "$log" | head -n 1 | sed 's|^tla-check: |the program fails: |' | cut -c 1-160
    fi
}

# Where code and model first part. The larger graph is left to what nothing else noticed.
walk() {
    local log=$results/$1-walk.log graph graphs=(Walk)
    if [[ $2 == - ]]; then graphs+=(AppendDeath); fi
    for graph in "${graphs[@]}"; do
        if check --walk --only "$graph" >"$log" 2>&1; then continue; fi
        sed -n '/^walk of .*: .* of .* states and /d; /^walk of /{N;s/:\n/: /;s/\n.*//;p;q}' "$log" |
            cut -c 1-160 | tr '|' '/'
        return
    done
    echo -
}

table=$results/table.md
printf '| what was broken | traces | walk |\n|---|---|---|\n' >"$table"
for patch in model/broken/*.patch; do
    name=$(basename "$patch" .patch)
    if [[ $# -gt 0 && " $* " != *" $name "* ]]; then continue; fi
    if [[ ! -e $results/$name ]]; then
        (cd "$tree" && patch -s -p1) <"$patch" || { echo "$patch does not apply" >&2; exit 1; }
        row=$(cd "$tree" && build "$name" && found=$(traces "$name") && echo "$found | $(walk "$name" "$found")")
        (cd "$tree" && patch -s -R -p1) <"$patch"
        echo "$row" >"$results/$name"
    fi
    printf '| %s | %s |\n' "$(head -n 1 "$patch")" "$(cat "$results/$name")" >>"$table"
done
cat "$table"
if [[ ${PURO_README:-} == write ]]; then
    sed -i -e '/<!-- broken begins -->/,/<!-- broken ends -->/{/<!--/!d}' \
        -e "/<!-- broken begins -->/r $table" model/README.md
fi
