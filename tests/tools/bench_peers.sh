#!/bin/sh
# tools/bench-peers with Python and llm.c played by scripts: it compares rates, names versions, says what is missing and
# what fails, and refuses what it cannot run. Where PyTorch is, one step of the real other side.
#
#   sh tests/tools/bench_peers.sh AESOP SOURCE
set -eu
aesop=$1 source=$2
tool=$source/tools/bench-peers
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# 100 tokens or 10 sequences a second, but for what PEER says.
cat > "$dir/python" <<'PEER'
#!/bin/sh
shift
case "$PEER $*" in
"none about"*) echo "No module named $2" >&2; exit 1 ;;
*"about torch") echo "PyTorch 9.9, libfastblas.so" ;;
"onnx about onnx" | "quantizer about onnx") echo "ONNX Runtime 9.8" ;;
*"about onnx") echo "No module named onnxruntime" >&2; exit 1 ;;
"quantizer about quantizer") echo "its quantizer" ;;
*"about quantizer") echo "No module named onnx" >&2; exit 1 ;;
"broken torch"*) echo "out of luck" >&2; exit 1 ;;
*"onnx encode int8 1 1 "*" bert-tiny" | *"onnx encode f32 1 1 "*" bert-tiny") echo "20 0.75" ;;
*"torch encode "*" 1 1 "*" bert-tiny") [ "$(wc -l < "$6")" -eq 8 ] && echo "10 0.5" ;;
*"torch generate "*" 1 1 1 4 nanogpt") echo "50 0.25" ;;
*"torch bert-tiny f32 1 1 2 16") echo "100 0.25" ;;
*) echo "unexpected: $*" >&2; exit 1 ;;
esac
PEER
cat > "$dir/train_gpt2" <<'PEER'
#!/bin/sh
for i in 0 1; do
    echo "step $i: train loss 5.0 (took $((1000 + i)).000000 ms)"
done
exec sleep 3000 # a third step, which nobody waits for
PEER
# Aesop is played too where its real step would be one of 124M parameters.
cat > "$dir/small" <<'PEER'
#!/bin/sh
[ "$1" = version ] && echo "aesop 0" && exit
[ "$2" = generate ] && echo '{"tokens_per_s":125.0}' ||
    echo '{"tokens_per_s":{"best":9.0,"median":8.0},"peak_rss_gib":1.5,"sequences_per_s":8.0}'
PEER
chmod +x "$dir/python" "$dir/train_gpt2" "$dir/small"

fail()
{
    echo "bench_peers.sh: $1" >&2
    cat "$dir/out" >&2
    exit 1
}

# expect STATUS TEXT OPTIONS...
expect()
{
    want=$1 words=$2 status=0
    shift 2
    sh "$tool" --aesop "$aesop" --python "$dir/python" --steps 1 --rounds 1 --threads 1 "$@" > "$dir/out" 2>&1 ||
        status=$?
    [ $status = "$want" ] || fail "status $status and not $want: $*"
    grep -q -- "$words" "$dir/out" || fail "\"$words\" is not said: $*"
}

says()
{
    grep -q -- "$1" "$dir/out" || fail "\"$1\" is not said"
}

PEER=there
export PEER
expect 0 'PyTorch 9.9, libfastblas.so' --rows bert-tiny --precisions f32 --batch 2 --seq 16
says 'ONNX Runtime is missing (No module named onnxruntime)'
says 'llm.c is not named'
says '^bert-tiny  f32   torch         100.0     0.25 '
# The ratio is that of the two rates.
awk '$3 == "aesop" {ours = $4} $3 == "torch" {ratio = $6; rate = $4}
    END {d = ours / rate - ratio; exit !(ours > 0 && d < 0.02 * ratio + 0.01 && -d < 0.02 * ratio + 0.01)}' "$dir/out" ||
    fail "the ratio is not that of the rates"
expect 0 '^encode     f32   torch          10.0     0.50 ' --rows encode --precisions f32 --batch 8 --model bert-tiny
# int8 is for what runs trained models, and in ONNX Runtime where its quantizer loads.
PEER=onnx
expect 0 "ONNX Runtime's quantizer does not load (No module named onnx)" --rows encode,llmc --precisions int8,f32 \
    --batch 8 --model bert-tiny --llmc "$dir/train_gpt2" --llmc-size 2,2 --aesop "$dir/small"
says '^encode     f32   onnx           20.0     0.75     0.40$'
says '^encode     int8  aesop           8.0     1.50        -$'
says '^encode     int8  torch          10.0     0.50     0.80$'
says '^llmc       f32   llmc '
! grep -q '^encode     int8  onnx\|^llmc       int8\|^llmc .*torch' "$dir/out" || fail "what cannot be is measured"
PEER=quantizer
expect 0 '^encode     int8  onnx           20.0 ' --rows encode --precisions int8 --batch 8 --model bert-tiny
PEER=there
expect 0 '^generate   f32   torch          50.0     0.25     2.50$' --rows generate --batch 1 --seq 4 --lm nanogpt \
    --precisions f32 --aesop "$dir/small"
expect 0 '^generate   bf16  torch          50.0     0.25 ' --rows generate --batch 1 --seq 4 --lm nanogpt
says '^generate   int8  aesop .* -        -$'
says '^generate   f32   torch '
PEER=none
expect 0 'PyTorch is missing (No module named torch)' --rows bert-tiny --precisions f32 --batch 2 --seq 16
says '^bert-tiny  f32   aesop '
PEER=broken
expect 1 'torch fails at bert-tiny f32: out of luck' --rows bert-tiny --precisions f32 --batch 2 --seq 16
says '^bert-tiny  f32   aesop '
expect 2 'no row is called "bert-huge"' --rows bert-huge
expect 2 'the row llmc wants --llmc PATH' --rows llmc
expect 2 'a precision is f32, bf16 or int8, not "f16"' --precisions f16
expect 2 '"0" is no number from 1 on' --steps 0
expect 2 'unknown option --step;' --step 3
expect 2 '--rows wants a value' --rows
expect 2 'there is no program at "/nowhere/aesop"' --aesop /nowhere/aesop
expect 2 'there is no program at "/nowhere/train_gpt2"' --llmc /nowhere/train_gpt2
expect 0 'Runs the same work' --help

# llm.c's lines: the first step does not count, and 4 tokens in 1.001 s are 4.0 a second.
PEER=none
expect 0 '^llmc       f32   llmc            4.0        -     2.00$' --aesop "$dir/small" --rows llmc \
    --llmc "$dir/train_gpt2" --llmc-size 2,2 --precisions f32,bf16

if /usr/bin/python3 -c 'import torch' 2> /dev/null; then
    expect 0 '^bert-tiny  f32   torch ' --python /usr/bin/python3 --rows bert-tiny --precisions f32 --batch 1 --seq 8
    expect 0 '^generate   int8  torch ' --python /usr/bin/python3 --rows encode,generate --precisions int8 --batch 1 \
        --seq 8 --model bert-tiny --lm nanogpt
    says '^encode     int8  torch '
fi
echo "bench-peers compares, and says what is missing"
