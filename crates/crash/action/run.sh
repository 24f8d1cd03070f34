#!/usr/bin/env bash
# The step of the action. What it is told comes in variables, so that nothing of it is taken for
# code but the command.
set -uo pipefail
workspace=${GITHUB_WORKSPACE:-$PWD}
cd "$workspace" || exit 74
out=puro-crash-out
mkdir -p "$out"
options=(--dir "$out/dir" --out "$out" --junit "$out/junit.xml" --html "$out/timeline.html")
options+=(--json "$out/report.json" --profile "$CRASH_PROFILE" --states "$CRASH_STATES")
[[ -z ${CRASH_SECONDS:-} ]] || options+=(--seconds "$CRASH_SECONDS")
[[ -z ${CRASH_BASELINE:-} ]] || options+=(--baseline "$CRASH_BASELINE")
# Options are words; none of them holds a space.
read -ra more <<<"${CRASH_OPTIONS:-}"
# The program runs in the watched directory, where relative paths would lead elsewhere.
puro-crash run "${options[@]}" "${more[@]}" --check "$workspace/$CRASH_CHECK" -- \
    sh -c "$workspace/$CRASH_COMMAND" | tee "$out/report.txt"
code=${PIPESTATUS[0]}
result=$(tail -n 1 "$out/report.txt")
echo "result=$result" >>"${GITHUB_OUTPUT:-/dev/null}"
{
    echo "### puro-crash: $result"
    echo '```'
    cat "$out/report.txt"
    echo '```'
} >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
if [[ $code -eq 77 ]]; then echo '::error::puro-crash could not measure; see the log'; fi
exit "$code"
