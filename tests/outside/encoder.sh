#!/bin/sh
# "Your encoder, our commands": installs into a temporary folder, compiles the example's encoder outside the tree, once
# linked into a program of its own and once as a plugin, and pretrains, fine-tunes and exports it with the subcommands.
#
#   sh tests/outside/encoder.sh BUILD CMAKE CC EXAMPLES
set -eu
build=$1 cmake=$2 cc=$3 examples=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
"$cmake" --install "$build" --prefix "$prefix" >"$work/install.log" || { cat "$work/install.log"; exit 1; }
if [ ! -x "$prefix/bin/aesop" ]; then
    echo "the program is not installed"
    exit 1
fi
cp "$examples/convmixer.h" "$examples/my_aesop.c" "$work"
mkdir "$work/plugin"
cp "$examples/plugin/convmixer_plugin.c" "$work/plugin"
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name aesop.pc)")
export PKG_CONFIG_PATH
flags=$(pkg-config --cflags --libs aesop)
LD_LIBRARY_PATH=$(pkg-config --variable=libdir aesop)
export LD_LIBRARY_PATH
cd "$work"
# shellcheck disable=SC2086
"$cc" -std=c11 -Wall -Wextra -Werror -Wno-missing-field-initializers my_aesop.c $flags -o my_aesop
# shellcheck disable=SC2086
"$cc" -std=c11 -Wall -Wextra -Werror -shared -fPIC plugin/convmixer_plugin.c $flags -o convmixer.so

printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' the fox crow cheese saw ate a grape sour wolf lamb drank is who \
    good bad . >vocab.txt
i=0
printf 'label\ttext_a\n' >table.tsv
while [ $i -lt 20 ]; do
    printf 'the fox saw a crow .\nthe crow ate cheese .\nthe wolf drank .\nthe lamb is good .\n\n' >>corpus.txt
    printf 'good\tthe lamb is good .\nbad\tthe wolf is bad .\n' >>table.tsv
    i=$((i + 1))
done

fail()
{
    echo "$1"
    cat log
    exit 1
}

# stages NAME PROGRAM OPTION...: the three stages with one program.
stages()
{
    name=$1
    program=$2
    shift 2
    "$program" list encoders "$@" >log 2>&1 || fail "$name: list"
    grep -q '^convmixer ' log || fail "$name: the encoder is not listed"
    "$program" pretrain "$@" --model lstm --encoder convmixer --objective mlm --set emb_size=16 --set hidden_size=16 \
        --set layers_num=1 --seq 16 --batch 8 --steps 5 --tokenizer vocab.txt --corpus corpus.txt -o "$name.h5" \
        >log 2>&1 || fail "$name: pretrain"
    "$program" finetune "$@" --init "$name.h5" --train table.tsv --valid table.tsv --epochs 6 --batch 8 --seq 16 \
        --lr 1e-2 -o "$name.fine.h5" >log 2>&1 || fail "$name: finetune"
    grep -q 'validation accuracy 1.0000' log || fail "$name: it did not learn two sentences"
    "$program" convert "$@" "$name.fine.h5" -o "$name.safetensors" >log 2>&1 || fail "$name: convert"
    "$program" inspect "$name.safetensors" >log 2>&1 || fail "$name: inspect"
    grep -q 'encoder.layer.0.time.weight' log || fail "$name: the exported tensors lack the encoder's"
    echo "$name: pretrained, fine-tuned and exported"
}

stages linked ./my_aesop
stages plugin "$prefix/bin/aesop" --plugin convmixer.so

# Without the plugin its model file asks for it by name, whichever command opens it.
if "$prefix/bin/aesop" finetune --init plugin.h5 --train table.tsv --steps 1 -o no.h5 >log 2>&1; then
    fail "a plugin's model opened without the plugin"
fi
grep -q 'this model needs the encoder convmixer of the plugin convmixer' log || fail "the plugin was not asked for"
# Going on with a run does not load what the file names: code comes from the command line alone.
if "$prefix/bin/aesop" finetune --resume plugin.fine.h5 --train table.tsv --epochs 7 -o plugin.fine.h5 >log 2>&1; then
    fail "a model file loaded a plugin by itself"
fi
grep -q 'this model needs the encoder convmixer' log || fail "the plugin was not asked for when a run went on"
"$prefix/bin/aesop" finetune --resume plugin.fine.h5 --plugin convmixer.so --train table.tsv --valid table.tsv \
    --epochs 7 -o plugin.fine.h5 >log 2>&1 || fail "resume with the plugin"
echo 'the wolf is bad .' | "$prefix/bin/aesop" predict --plugin convmixer.so plugin.fine.h5 >log 2>&1 || fail predict
grep -qx bad log || fail "predict says something else"
AESOP_PLUGIN_PATH=$work/convmixer.so "$prefix/bin/aesop" finetune --init plugin.h5 --train table.tsv --steps 1 --seq 16 \
    --batch 8 -o path.h5 >log 2>&1 || fail "AESOP_PLUGIN_PATH"
echo "a missing plugin is asked for by name, and found by AESOP_PLUGIN_PATH"
