#!/bin/sh
# Checks the rules that a compiler does not see; prints every breach as "file:line: what" and exits 1 if there is one.
#
#   sh tests/house/check_tree.sh ROOT
#
# - the direction of dependency: tensor <- autograd <- nn <- zoo <- apps and tensor <- tokenizers <- datasets <- apps
# - each foreign library has one door
# - file names are unique in the tree
# - the library does not print and does not exit
# - no tabs, no trailing blanks, no line over 120 columns
# - at the top of the tree git keeps only what belongs there, not what a test wrote that was run there
set -u
export LC_ALL=C
root=${1:?usage: check_tree.sh ROOT}
cd "$root" || exit 2

files=$(find tensor autograd nn zoo tokenizers datasets apps tests tools examples \
    -name golden -prune -o -type f \( -name '*.c' -o -name '*.h' -o -name '*.cpp' \) -print 2>/dev/null | sort)
if [ -z "$files" ]; then
    echo "$root: no source file found; is this the root of the tree?"
    exit 2
fi

# shellcheck disable=SC2086
breaches=$(awk '
    BEGIN {
        # Whom a folder may include. Folders outside this list (tests, tools, examples) may include all.
        sees["tensor"] = " tensor "
        sees["autograd"] = " tensor autograd "
        sees["nn"] = " tensor autograd nn "
        sees["zoo"] = " tensor autograd nn zoo "
        sees["tokenizers"] = " tensor tokenizers "
        sees["datasets"] = " tensor tokenizers datasets "
        sees["apps"] = " tensor autograd nn zoo tokenizers datasets apps "
        # A foreign header (a pattern over what stands between < and >, or quotes) and the files that are its door. An
        # empty door means: one file, whichever it is.
        n = 0
        foreign[++n] = "(^|/)dnnl[a-z_]*\\.h"; door[n] = "^tensor/onednn[a-z_]*\\.[ch]$"
        foreign[++n] = "^(hdf5[a-z_]*|H5[A-Za-z]*)\\.h"; door[n] = "^tensor/hdf5_file[a-z_]*\\.[ch]$"
        foreign[++n] = "(^|/)cJSON[A-Za-z_]*\\.h"; door[n] = "^tensor/json\\.c$"
        foreign[++n] = "(^|/)(lapacke?|cblas)[a-z_]*\\.h"; door[n] = "^tensor/lapack\\.c$"
        foreign[++n] = "^zlib\\.h"; door[n] = "^tensor/(zip|input)_file\\.c$"
        foreign[++n] = "^bzlib\\.h"; door[n] = "^tensor/bzip2\\.c$"
        foreign[++n] = "^utf8proc\\.h"; door[n] = "^tokenizers/unicode\\.c$"
        foreign[++n] = "^onig[a-z]*\\.h"; door[n] = "^tokenizers/regex\\.c$"
        foreign[++n] = "(^|/)(protobuf-c|piece_file\\.pb-c)\\.h"; door[n] = "^tokenizers/piece_file\\.c$"
        foreign[++n] = "^mpi\\.h"; door[n] = ""
    }
    function say(what) {
        printf "%s:%d: %s\n", FILENAME, FNR, what
    }
    FNR == 1 {
        folder = FILENAME
        sub(/\/.*/, "", folder)
        base = FILENAME
        sub(/.*\//, "", base)
        if (base in first) {
            say("the name " base " is taken by " first[base])
        } else {
            first[base] = FILENAME
        }
        layered = folder in sees
        library = layered && folder != "apps"
    }
    /\t/ { say("a tab; indent with spaces") }
    /[ \r]$/ { say("blanks at the end of the line") }
    length($0) > 120 {
        columns = $0
        gsub(/[\200-\277]/, "", columns) # the further bytes of a UTF-8 character take no column
        sub(/-----* \*\/$/, "", columns)  # nothing is lost at the end of a rule between sections
        if (length(columns) > 120) {
            say("a line of " length(columns) " columns; 120 is the limit")
        }
    }
    /^[ ]*#[ ]*include/ {
        name = $0
        sub(/^[^<"]*[<"]/, "", name)
        sub(/[>"].*/, "", name)
        target = name
        sub(/\/.*/, "", target)
        if (layered && target in sees && index(name, "/") && index(sees[folder], " " target " ") == 0) {
            say(folder "/ may not include " name " (" folder "/ sees only" sees[folder] ")")
        }
        if (layered && name == "aesop.h") {
            say("aesop.h is for programs outside; include the headers that are used")
        }
        ours = target in sees && index(name, "/") # the door itself may be called like what is behind it
        for (i = 1; i <= n; i++) {
            if (!layered || ours || name !~ foreign[i]) {
                continue
            }
            if (door[i] != "" && FILENAME !~ door[i]) {
                say(name " may only be included by " substr(door[i], 2, length(door[i]) - 2))
            } else if (door[i] == "" && (i in opened) && opened[i] != FILENAME) {
                say(name " is included by " opened[i] " already; one file is its door")
            } else {
                opened[i] = FILENAME
            }
        }
        next
    }
    library && !/^[ ]*(\/\*|\*|\/\/)/ {
        code = $0
        gsub(/"([^"\\]|\\.)*"/, "\"\"", code)
        if (match(code, /(^|[^A-Za-z0-9_>.])(v?printf|puts|putchar|perror|exit|_exit|quick_exit|abort)\(/) ||
            code ~ /[( ](stdout|stderr)[,);]/) {
            say("the library never prints and never exits")
        }
    }' $files)

# Nothing is said where git is not, or this is no repository.
strays=$(git ls-files 2>/dev/null | awk '!/\// && !/^(\.[a-z-]+|CMakeLists\.txt|CMakePresets\.json|LICENSE|README[A-Za-z.-]*\.md)$/ {
    print $0 ":1: does not belong at the top of the tree" }')
breaches=$(printf '%s\n%s' "$breaches" "$strays" | sed '/^$/d')

if [ -n "$breaches" ]; then
    printf '%s\n' "$breaches"
    exit 1
fi
printf '%s files obey the rules of the tree\n' "$(printf '%s\n' "$files" | wc -l)"
