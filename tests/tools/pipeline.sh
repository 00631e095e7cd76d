#!/bin/sh
# What tools/demo does, in small: from the fables to a tokenizer, a general stage, a domain stage, a fine-tuned model
# and all that uses it, through the program alone; then through a folder in Hugging Face's form.
#
#   sh tests/tools/pipeline.sh PROGRAM TREE
set -eu
aesop=$1 tree=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail()
{
    echo "$1"
    cat log
    tail -n 20 out
    exit 1
}

# run WHAT COMMAND...: results to the file out, the rest to log.
run()
{
    what=$1
    shift
    "$aesop" "$@" >out 2>log || fail "$what: exit status $?"
}

# says WHAT PATTERN [FILE]: the pattern is in the results, or in FILE.
says()
{
    grep -q -e "$2" "${3-out}" || fail "$1: no line with $2"
}

for part in train dev test; do
    sh "$tree/tools/fables" corpus $part >corpus.$part.txt
    sh "$tree/tools/fables" story $part >story.$part.txt
    sh "$tree/tools/fables" labels $part >labels.$part.tsv
    sh "$tree/tools/fables" morals $part >morals.$part.tsv
    sh "$tree/tools/fables" pairs $part >pairs.$part.tsv
    sh "$tree/tools/fables" corpus $part chinese >chinese.$part.txt
done
sh "$tree/tools/fables" corpus all >corpus.all.txt

# The parts are disjoint and together everything; tables have as many columns as their header says.
[ "$(cat corpus.train.txt corpus.dev.txt corpus.test.txt | grep -c .)" = "$(grep -c . corpus.all.txt)" ] ||
    fail "the parts are not the whole"
[ "$(grep -c '^$' corpus.all.txt)" = 149 ] || fail "a blank line stands between fables, and nowhere else"
for table in labels.*.tsv morals.*.tsv pairs.*.tsv; do
    awk -F '\t' 'NR == 1 { columns = NF } NF != columns { exit 1 }' "$table" || fail "$table: a row of another width"
done
if sh "$tree/tools/fables" proverbs >out 2>log; then
    fail "tools/fables took a word that it does not know"
fi
says fables 'WHAT  *corpus' log

sizes='--set hidden_size=32 --set num_attention_heads=2 --set num_hidden_layers=2 --set intermediate_size=64'

run 'tokenizer train' tokenizer train --kind bert --vocab-size 800 --corpus corpus.train.txt -o vocab.txt
run 'tokenizer encode' tokenizer encode --tokenizer vocab.txt --to tokens corpus.dev.txt
says 'tokenizer encode' "^in the baker ' s shop"
# shellcheck disable=SC2086
run pretrain pretrain --model bert-tiny $sizes --tokenizer vocab.txt --corpus corpus.train.txt --valid corpus.dev.txt \
    --seq 32 --batch 16 --steps 20 --eval-every 10 --plot -o general.h5
says pretrain '\* training' log
run 'pretrain --init' pretrain --init general.h5 --corpus story.train.txt --objective mlm --seq 32 --batch 16 --steps 4 \
    -o domain.h5
run finetune finetune --init domain.h5 --train labels.train.tsv --valid labels.dev.tsv --test labels.test.tsv \
    --seq 32 --batch 16 --steps 8 -o places.h5
says finetune accuracy
cut -f 2 labels.test.tsv | sed -n 2,21p >texts.txt
run predict predict places.h5 texts.txt
cp out labels.txt
[ "$(wc -l <labels.txt)" = "$(wc -l <texts.txt)" ] || fail "predict: not a line for every text"
awk '!/^(farm|forest|house|water)$/ { exit 1 }' labels.txt || fail "predict: something that is no label"
run eval eval places.h5 --test labels.test.tsv --require accuracy=0.01
says eval majority
run fill fill domain.h5 'the fox went into the [MASK] .'
[ "$(wc -l <out)" = 5 ] || fail "fill: not five words"
run 'fill --score' fill domain.h5 --score corpus.dev.txt --corpus corpus.train.txt --every 60 --skip-frequent 20
says 'fill --score' 'frequent words   '
run embed embed domain.h5 texts.txt -o vectors.npy
[ -s vectors.npy ] || fail "embed: no vectors"

run 'pretrain gpt2' pretrain --model gpt2 --set n_layer=1 --set n_embd=32 --set n_head=2 --tokenizer vocab.txt \
    --corpus corpus.train.txt --seq 32 --batch 16 --steps 4 -o gpt.h5
run generate generate gpt.h5 'Once there was' --length 8 --temperature 0.8
says generate .

run convert convert places.h5 --to hf -o folder
run 'predict from the folder' predict folder texts.txt
cmp -s out labels.txt || fail "the folder in Hugging Face's form gives other labels"
echo "three stages, and all that uses them: as it should be"
