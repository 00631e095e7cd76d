#!/bin/sh
# Checks that README.zh-CN.md is README.md in Chinese, as far as a program can see: the same headings by level, the same
# blocks of code line by line, tables of the same shape, the same links.
#
#   sh tests/docs/check_readme.sh ROOT
set -eu
export LC_ALL=C
cd "${1:?usage: check_readme.sh ROOT}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# skeleton PAGE: what both languages share, a line each.
skeleton()
{
    awk '
        /^```/ { inside = !inside; print; next }
        inside { print "    " $0; next }
        /^#+ / { print $1; next }
        /^\|/ { print "row of " gsub(/\|/, "|") - 1; next }
        /^<!--/ { print; next }
        { while (match($0, /\]\([^)]*\)/)) {
              link = substr($0, RSTART, RLENGTH)
              if (link !~ /README/) print link
              $0 = substr($0, RSTART + RLENGTH)
          } }' "$1"
}
skeleton README.md >"$work/README.md"
skeleton README.zh-CN.md >"$work/README.zh-CN.md"
if [ "$(grep -c '^#' "$work/README.md")" -lt 2 ]; then
    echo "README.md has no sections"
    exit 1
fi
cd "$work"
if ! diff -u README.md README.zh-CN.md; then
    echo "README.zh-CN.md must follow README.md"
    exit 1
fi
echo "both languages have the same headings, code, tables and links"
