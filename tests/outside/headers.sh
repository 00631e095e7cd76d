#!/bin/sh
# Installs into a temporary folder and compiles every installed header alone, as C11 and as C++17, warnings being
# errors.
#
#   sh tests/outside/headers.sh BUILD CMAKE CC CXX
set -eu
build=$1 cmake=$2 cc=$3 cxx=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$cmake" --install "$build" --prefix "$work/prefix" >"$work/install.log" || { cat "$work/install.log"; exit 1; }

warnings='-Wall -Wextra -Wpedantic -Werror -fsyntax-only'
include=$work/prefix/include/aesop
failed=0
count=0
cd "$include"
for header in $(find . -name '*.h' | sed 's|^\./||' | sort); do
    count=$((count + 1))
    # A second inclusion shows a missing guard; the typedef keeps the translation unit from being empty.
    printf '#include "%s"\n#include "%s"\ntypedef int ae_not_empty;\n' "$header" "$header" >"$work/alone.c"
    # shellcheck disable=SC2086
    "$cc" -std=c11 $warnings -I"$include" "$work/alone.c" || { echo "$header does not compile alone as C11"; failed=1; }
    # shellcheck disable=SC2086
    "$cxx" -std=c++17 $warnings -I"$include" -x c++ "$work/alone.c" ||
        { echo "$header does not compile alone as C++17"; failed=1; }
done
for header in $(find . -name '*_internal.h'); do
    echo "$header is internal and was installed"
    failed=1
done
[ "$count" -gt 3 ] || { echo "only $count headers were installed"; failed=1; }
[ "$failed" -ne 0 ] || echo "$count headers compile alone as C11 and as C++17"
exit "$failed"
