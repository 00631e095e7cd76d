#!/bin/sh
# The program tells GNU's OpenMP how long waiting threads spin, unless the user has said it.
#
#   sh tests/apps/wait_policy.sh AESOP
set -eu
aesop=$1

# expect SPINS ENVIRONMENT...: what the library reports. Another OpenMP reports no such thing, and is left alone.
expect()
{
    spins=$1
    shift
    said=$(env -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT OMP_DISPLAY_ENV=verbose "$@" "$aesop" version 2>&1)
    case $said in
    *"GOMP_SPINCOUNT = '$spins'"*) ;;
    *GOMP_SPINCOUNT*)
        echo "wait_policy: $* aesop: $spins turns expected, not" >&2
        echo "$said" | grep GOMP_SPINCOUNT >&2
        exit 1
        ;;
    *) ;;
    esac
    case $said in
    *"aesop "*) ;;
    *) echo "wait_policy: the program says \"$said\"" >&2; exit 1 ;;
    esac
}

expect 10000
expect 0 OMP_WAIT_POLICY=passive
expect 77 GOMP_SPINCOUNT=77
