#!/bin/sh
# Whether check_readme.sh finds what it is for.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

page='# A\n\n## One\n\n```sh\nls    # list\n```\n\n| a | b |\n|---|---|\n| [x](x.md) | y |\n\nSee [z](z.md).\n'
chinese='# 甲\n\n## 一\n\n```sh\nls    # list\n```\n\n| 甲 | 乙 |\n|---|---|\n| [x](x.md) | 丙 |\n\n见 [z](z.md)。\n'
printf "$page" >"$tree/README.md"
printf "$chinese" >"$tree/README.zh-CN.md"
sh "$here/check_readme.sh" "$tree" >/dev/null || { echo "a faithful translation was refused"; exit 1; }

# refused WHAT EXPRESSION: the translation changed by sed is refused.
refused()
{
    printf "$chinese" | sed "$2" >"$tree/README.zh-CN.md"
    if sh "$here/check_readme.sh" "$tree" >/dev/null; then
        echo "not noticed: $1"
        exit 1
    fi
}
refused 'a heading is missing' '/^## /d'
refused 'a heading of another level' 's/^## /### /'
refused 'another command' 's/^ls /dir /'
refused 'a translated comment in code' 's/list/列出/'
refused 'a row is missing' '/丙/d'
refused 'a column is missing' 's/| 乙 |/|/'
refused 'another link' 's/z.md/y.md/'
echo "every difference was found"
