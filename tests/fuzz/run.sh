#!/bin/sh
# Builds the fuzzers with clang and runs each for some seconds, as many at a time as there are processors. What is found
# goes to build/fuzz/found/, what was learned stays in build/fuzz/corpus/; exits with 1 when there is a finding. Each
# begins with the seeds of make_seeds.c, what was learned before, and what is in tests/fuzz/corpus/FUZZER: the findings
# of the past.
#
#   sh tests/fuzz/run.sh                      20 seconds each
#   sh tests/fuzz/run.sh 600 encode extend    10 minutes of each of these
#
# AESOP_FUZZ_JOBS says how many run at a time.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1-20}
[ $# -gt 0 ] && shift
jobs=${AESOP_FUZZ_JOBS-$(nproc 2>/dev/null || echo 2)}
generator=Ninja
command -v ninja >/dev/null 2>&1 || generator='Unix Makefiles'

mkdir -p build/fuzz
log=build/fuzz/build.log
if ! CC=clang cmake -S . -B build/fuzz -G "$generator" -DAESOP_FUZZ=ON >"$log" 2>&1 ||
    ! cmake --build build/fuzz --target fuzzers --parallel "$jobs" >"$log" 2>&1; then
    cat "$log"
    exit 2
fi

cd build/fuzz
mkdir -p seeds found logs
tests/fuzz/make_seeds seeds
if [ $# -eq 0 ]; then
    for fuzzer in tests/fuzz/fuzz_*; do
        [ -x "$fuzzer" ] && [ -f "$fuzzer" ] && set -- "$@" "${fuzzer#tests/fuzz/fuzz_}"
    done
fi

# Prints a line of what a fuzzer did; its status is that of the fuzzer.
# shellcheck disable=SC2016
one='target=$1 seconds=$2
    past=../../tests/fuzz/corpus/$target
    [ -d "$past" ] || past=
    mkdir -p "corpus/$target"
    status=0
    "tests/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2560 -max_len=4096 \
        -artifact_prefix="found/$target-" "corpus/$target" seeds ${past:+"$past"} >"logs/$target.log" 2>&1 || status=$?
    awk -v target="$target" -v status="$status" "
        / (cov|ft): / { for (i = 1; i < NF; i++) { if (\$i == \"cov:\") { cov = \$(i + 1) } } }
        /^Done / { runs = \$2; time = \$5 }
        END { printf \"%-16s %9d runs in %5d s, %6d places reached%s\\n\", target, runs, time, cov, \
            status ? \": A FINDING\" : \"\" }" "logs/$target.log"
    [ "$status" -eq 0 ] || { tail -n 40 "logs/$target.log"; exit 1; }'
printf '%s\n' "$@" | xargs -P "$jobs" -I '{}' sh -c "$one" fuzz '{}' "$seconds" || {
    echo "findings are in build/fuzz/found/"
    exit 1
}
