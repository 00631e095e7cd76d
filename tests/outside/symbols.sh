#!/bin/sh
# Compares what libaesop.so exports with what the public headers declare as AE_API: the two lists must be
# equal, and every name must begin with ae_.
#
#   sh tests/outside/symbols.sh SOURCE BUILD CC
set -eu
export LC_ALL=C
source=$1 build=$2 cc=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

nm -D --defined-only "$build/libaesop.so" | awk '$2 ~ /^[TDBRVWi]$/ { sub(/@.*/, "", $3); print $3 }' |
    sort -u >"$work/exported"

# After the preprocessor a declaration is what ends in a semicolon and carries the marker that AE_API stands for. Its
# name is the first ae_ word before a parenthesis, a bracket or the end.
printf '#include "tensor/error.h"\n#undef AE_API\n#define AE_API AE_EXPORTED_HERE\n#include "aesop.h"\n' |
    "$cc" -std=c17 -E -P -I"$source" -I"$build/generated" - | tr '\n' ' ' | tr ';{}' '\n\n\n' |
    awk '/AE_EXPORTED_HERE/ {
        sub(/.*AE_EXPORTED_HERE/, "")
        if (match($0, /ae_[a-z0-9_]+ *(\(|\[|$|=)/)) {
            name = substr($0, RSTART, RLENGTH)
            sub(/[^a-z0-9_].*/, "", name)
            print name
        } else {
            print "?" $0
        }
    }' >"$work/declared_all"
# error.h came in before the marker changed, so its functions are read with the attribute that AE_API is.
"$cc" -std=c17 -E -P -I"$source" "$source/tensor/error.h" | grep 'visibility("default")' |
    sed 's/.*visibility("default")))//' | awk 'match($0, /ae_[a-z0-9_]+ *\(/) {
        print substr($0, RSTART, RLENGTH - 1) }' >>"$work/declared_all"
sort -u "$work/declared_all" >"$work/declared"

failed=0
say()
{
    if [ -s "$2" ]; then
        echo "$1"
        sed 's/^/    /' "$2"
        failed=1
    fi
}
grep -v '^ae_' "$work/exported" >"$work/foreign" || true
say "exported, and not beginning with ae_:" "$work/foreign"
comm -23 "$work/exported" "$work/declared" >"$work/undeclared"
say "exported, and declared AE_API in no public header:" "$work/undeclared"
comm -13 "$work/exported" "$work/declared" >"$work/undefined"
say "declared AE_API in a public header, and not exported:" "$work/undefined"
[ "$(wc -l <"$work/exported")" -gt 10 ] || { echo "libaesop.so exports next to nothing"; failed=1; }
[ "$failed" -ne 0 ] || echo "$(wc -l <"$work/exported") symbols, each declared in a public header"
exit "$failed"
