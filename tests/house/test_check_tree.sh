#!/bin/sh
# Proves that check_tree.sh can fail: a clean little tree passes, and each file below, put into it, is reported.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

mkdir -p "$tree/tensor" "$tree/autograd" "$tree/nn" "$tree/zoo" "$tree/tokenizers" "$tree/datasets" "$tree/apps"
printf '#include "tensor/tensor.h"\n#include <mpi.h>\n' >"$tree/tensor/tensor.c"
printf '#include <dnnl.h>\n' >"$tree/tensor/onednn.c"
printf '#include "nn/linear.h"\n/* \303\227 %0112d */\n' 0 >"$tree/zoo/wide.c"
printf '#include "nn/linear.h"\n/* printf() in a comment is text, "exit(1)" in a string too */\n' >"$tree/zoo/bert.c"
printf '#include "tokenizers/bpe.h"\n#include <stdio.h>\nint f(void) { return printf("x"); }\n' >"$tree/apps/app.c"

if ! sh "$here/check_tree.sh" "$tree" >"$tree/said"; then
    echo "the clean tree was refused:"
    cat "$tree/said"
    failed=1
fi

# breach FILE EXPECTED CONTENT: the checker must name FILE and say EXPECTED.
breach()
{
    printf "$3" >"$tree/$1"
    if sh "$here/check_tree.sh" "$tree" >"$tree/said"; then
        echo "not found: $1 ($2)"
        failed=1
    elif ! grep -F "$1:" "$tree/said" | grep -qF -e "$2"; then
        echo "$1: expected \"$2\", the checker said:"
        cat "$tree/said"
        failed=1
    fi
    rm "$tree/$1"
}

breach tensor/graph_use.c 'tensor/ may not include autograd/graph.h' '#include "autograd/graph.h"\n'
breach autograd/linear_use.c 'autograd/ may not include nn/linear.h' '#include "nn/linear.h"\n'
breach nn/bert_use.c 'nn/ may not include zoo/bert.h' '#include "zoo/bert.h"\n'
breach zoo/bpe_use.c 'zoo/ may not include tokenizers/bpe.h' '#  include "tokenizers/bpe.h"\n'
breach zoo/app_use.c 'zoo/ may not include apps/app.h' '#include "apps/app.h"\n'
breach tokenizers/graph_use.c 'tokenizers/ may not include autograd/graph.h' '#include "autograd/graph.h"\n'
breach datasets/bert_use.c 'datasets/ may not include zoo/bert.h' '#include "zoo/bert.h"\n'
breach nn/all.c 'aesop.h is for programs outside' '#include "aesop.h"\n'
breach tensor/other.c 'dnnl.h may only be included by' '#include <oneapi/dnnl/dnnl.h>\n'
breach nn/save.c 'hdf5.h may only be included by' '#include <hdf5.h>\n'
breach apps/config.c 'cJSON.h may only be included by' '#include <cjson/cJSON.h>\n'
breach tensor/svd.c 'lapacke.h may only be included by' '#include <lapacke.h>\n'
breach tensor/world.c 'mpi.h is included by tensor/tensor.c already' '#include <mpi.h>\n'
breach tensor/unicode.c 'utf8proc.h may only be included by' '#include <utf8proc.h>\n'
breach tokenizers/search.c 'oniguruma.h may only be included by' '#include <oniguruma.h>\n'
breach tensor/squeeze.c 'bzlib.h may only be included by' '#include <bzlib.h>\n'
breach tensor/inflate.c 'zlib.h may only be included by' '#include <zlib.h>\n'
breach zoo/tensor.c 'the name tensor.c is taken by tensor/tensor.c' 'int x;\n'
breach tensor/loud.c 'never prints' 'void f(void)\n{\n    printf("x");\n}\n'
breach tensor/harsh.c 'never exits' 'void f(void)\n{\n    if (g()) { exit(1); }\n}\n'
breach tensor/loud_file.c 'never prints' 'void f(void)\n{\n    fputs("x", stderr);\n}\n'
breach tensor/tab.c 'a tab' 'int\tx;\n'
breach tensor/blank.c 'blanks at the end' 'int x; \n'
breach tensor/wide.c 'a line of 121 columns' "int x; /* $(printf '%0108d' 0) */\n"

# A stray file counts once git keeps it.
if git init -q "$tree" 2>/dev/null && printf 'x\n' >"$tree/words.txt" && sh "$here/check_tree.sh" "$tree" >/dev/null; then
    git -C "$tree" add words.txt
    breach words.txt 'does not belong at the top' 'x\n'
elif command -v git >/dev/null; then
    echo "a file that git does not keep was refused"
    failed=1
fi

[ "$failed" -eq 0 ] && echo "the checker finds every kind of breach"
exit "$failed"
