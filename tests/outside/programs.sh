#!/bin/sh
# Installs into a temporary folder, builds a C program with find_package(aesop) and a C++17 program with pkg-config
# against it, and runs both and the installed `aesop` itself.
#
#   sh tests/outside/programs.sh BUILD CMAKE GENERATOR CC CXX
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$1 cmake=$2 generator=$3 cc=$4 cxx=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
"$cmake" --install "$build" --prefix "$prefix" >"$work/install.log" || { cat "$work/install.log"; exit 1; }
version=$(sed -n 's/^#define AE_VERSION "\(.*\)"/\1/p' "$prefix/include/aesop/tensor/tensor.h")

# expect WHAT OUTPUT COMMAND...: that is what it must print.
expect()
{
    what=$1
    wanted=$2
    shift 2
    said=$("$@")
    if [ "$said" != "$wanted" ]; then
        echo "$what: expected \"$wanted\", got \"$said\""
        exit 1
    fi
    echo "$what: ran, and said $said"
}

"$cmake" -S "$here/with_cmake" -B "$work/c" -G "$generator" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" \
    -DAESOP_EXPECTED_VERSION="$version" >"$work/c.log" && "$cmake" --build "$work/c" >>"$work/c.log" ||
    { cat "$work/c.log"; exit 1; }
expect "C with find_package(aesop)" "$version" "$work/c/outside"
expect "a command of its own" '{"schema":1,"doubled":5.0}' "$work/c/outside_app" double --number 2.5
expect "the commands of aesop" "outside list: there is no list of \"dtype\"; did you mean dtypes?" \
    sh -c '"$1" list dtype 2>&1 || [ $? -eq 2 ]' sh "$work/c/outside_app"

pc=$(find "$prefix" -name aesop.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
flags=$(pkg-config --cflags --libs aesop)
[ "$(pkg-config --modversion aesop)" = "$version" ] || { echo "aesop.pc states another version"; exit 1; }
library=$(pkg-config --variable=libdir aesop)
# shellcheck disable=SC2086
"$cxx" -std=c++17 -Wall -Wextra -Werror "$here/outside.cpp" $flags -o "$work/outside"
expect "C++17 with pkg-config" "$version" env LD_LIBRARY_PATH="$library" "$work/outside"

if [ -x "$prefix/bin/aesop" ]; then
    expect "the installed program" "$version" sh -c '"$1" --version | sed -n "s/^aesop \([0-9.]*\).*/\1/p"' sh "$prefix/bin/aesop"
fi
