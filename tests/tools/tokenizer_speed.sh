#!/bin/sh
# tools/tokenizer_speed with another library's program played by a script: it compares rates and ids, says what is
# missing, and how it is used.
#
#   sh tests/tools/tokenizer_speed.sh AESOP SOURCE
set -eu
aesop=$1 source=$2
tool=$source/tools/tokenizer_speed vocab=$source/tests/golden/tok_bert_uncased/vocab.txt
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
printf 'The fox and the crow\nsour grapes\n\n' > "$dir/text"
cat > "$dir/node" <<'PEER'
#!/bin/sh
[ "$1" = -e ] && exit "${PEER_MISSING:-0}"
echo "0.5 0.25 $PEER_IDS"
PEER
chmod +x "$dir/node"
PATH=$dir:$PATH
export PATH

fail()
{
    echo "tokenizer_speed.sh: $1" >&2
    cat "$dir/out" >&2
    exit 1
}

# expect STATUS TEXT COMMAND...
expect()
{
    want=$1 words=$2
    shift 2
    status=0
    "$@" > "$dir/out" 2>&1 || status=$?
    [ $status = "$want" ] || fail "status $status and not $want: $*"
    grep -q -- "$words" "$dir/out" || fail "\"$words\" is not said: $*"
}

"$aesop" bench tokenizer --tokenizer "$vocab" --runs 1 --threads 1 --json "$dir/text" > "$dir/json"
ids=$(sed -n 's/.*"tokens":\([0-9]*\).*"ids_hash":"\([0-9a-f]*\)".*/\1 \2/p' "$dir/json")
[ -n "$ids" ] || fail "bench tokenizer --json prints no tokens and hash"

expect 0 "the same ids: $ids" env PEER_IDS="$ids" sh "$tool" hf "$aesop" "$vocab" "$dir/text" 2
grep -q '^clock .* 0.00 MB/s .* times$' "$dir/out" || fail "the peer's 31 bytes in half a second are not 0.00 MB/s"
expect 1 "the ids differ: tokens and hash are $ids here, 3 0000abcd there" \
    env PEER_IDS="3 0000abcd" sh "$tool" hf "$aesop" "$vocab" "$dir/text" 1
expect 77 "tokenizers is missing: npm install tokenizers" \
    env PEER_MISSING=1 sh "$tool" hf "$aesop" "$vocab" "$dir/text"
expect 2 "neither hf nor spm" sh "$tool" hff "$aesop" "$vocab" "$dir/text"
expect 2 "Compares how fast" sh "$tool"
echo "tokenizer_speed compares, and says what is missing"
