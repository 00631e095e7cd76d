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

# expect WHAT COMMAND...: what it prints must be the version.
expect()
{
    what=$1
    shift
    said=$("$@")
    if [ "$said" != "$version" ]; then
        echo "$what: expected \"$version\", got \"$said\""
        exit 1
    fi
    echo "$what: built, ran, and is linked to $said"
}

"$cmake" -S "$here/with_cmake" -B "$work/c" -G "$generator" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" \
    -DAESOP_EXPECTED_VERSION="$version" >"$work/c.log" && "$cmake" --build "$work/c" >>"$work/c.log" ||
    { cat "$work/c.log"; exit 1; }
expect "C with find_package(aesop)" "$work/c/outside"

pc=$(find "$prefix" -name aesop.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
flags=$(pkg-config --cflags --libs aesop)
[ "$(pkg-config --modversion aesop)" = "$version" ] || { echo "aesop.pc states another version"; exit 1; }
library=$(pkg-config --variable=libdir aesop)
# shellcheck disable=SC2086
"$cxx" -std=c++17 -Wall -Wextra -Werror "$here/outside.cpp" $flags -o "$work/outside"
expect "C++17 with pkg-config" env LD_LIBRARY_PATH="$library" "$work/outside"

if [ -x "$prefix/bin/aesop" ]; then
    expect "the installed program" sh -c '"$1" --version | sed -n "s/^aesop \([0-9.]*\).*/\1/p"' sh "$prefix/bin/aesop"
fi
