#!/bin/sh
# Whether check_pages.sh finds what it is for: a tree with one good page, then with each breach in turn.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/docs" "$tree/tests" "$tree/tensor" "$tree/autograd" "$tree/nn" "$tree/zoo" "$tree/apps"
printf 'int ae_known(void)\n{\n    return 1;\n}\n' >"$tree/tensor/known.c"

good='See `ae_known`, the family ae_kno* and [this page](README.md).\n\n<!-- in tensor/known.c -->\n```c\n{\n    return 1;\n}\n```\n'
printf "$good" >"$tree/docs/README.md"
printf '[docs](docs/README.md)\n' >"$tree/README.md"
sh "$here/check_pages.sh" "$tree" || { echo "a good page was refused"; exit 1; }

# expect MESSAGE PAGE: the page is refused, in these words.
expect()
{
    printf "$2" >"$tree/docs/README.md"
    said=$(sh "$here/check_pages.sh" "$tree") && { echo "not noticed: $1"; exit 1; }
    case $said in *"$1"*) ;; *) echo "expected \"$1\", got \"$said\""; exit 1 ;; esac
}
expect 'no source file knows ae_unknown' 'Call `ae_unknown`.\n'
expect 'no source file knows run_away' 'It is `run_away`.\n'
expect 'without a comment that says in which file' '```c\n{\n```\n'
expect 'is not in tensor/known.c' '<!-- in tensor/known.c -->\n```c\n    return 2;\n```\n'
expect 'leads nowhere' '[gone](gone.md)\n'
echo "every breach was found"
