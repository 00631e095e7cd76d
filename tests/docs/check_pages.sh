#!/bin/sh
# Checks that the pages agree with the tree; prints every breach as "page:line: what" and exits 1 if there is one.
#
#   sh tests/docs/check_pages.sh ROOT
#
# - every word ae_... of a page, and every `word` with an underscore, is a word of a source file (a trailing * or _ stands
#   for a family); pages docs/from-*.md quote the words of other programs
# - a block of C stands behind a comment "<!-- in FILE -->" and is in that file, line by line
# - every relative link leads to a file
set -u
export LC_ALL=C
cd "${1:?usage: check_pages.sh ROOT}" || exit 2

pages=$(find README.md docs -name '*.md' | sort)
words=$(mktemp) || exit 2
trap 'rm -f "$words"' EXIT
find tensor autograd nn zoo apps tests -name golden -prune -o \( -name '*.[ch]' -o -name '*.cpp' \) -print |
    xargs cat | grep -oE '[A-Za-z0-9]+_[A-Za-z0-9_]+' | sort -u >"$words"

# shellcheck disable=SC2086
breaches=$(awk -v words="$words" '
    BEGIN {
        while ((getline word < words) > 0) {
            known[word] = 1
        }
    }
    function say(what) {
        printf "%s:%d: %s\n", FILENAME, FNR, what
    }
    function text_of(file,    all, line) {
        if (!(file in texts)) {
            all = "\n"
            while ((getline line < file) > 0) {
                all = all line "\n"
            }
            close(file)
            texts[file] = all
        }
        return texts[file]
    }
    function check_words(rest,    word) {
        while (match(rest, /(ae|AE)_[A-Za-z0-9_]+/)) {
            word = substr(rest, RSTART, RLENGTH)
            rest = substr(rest, RSTART + RLENGTH)
            if (!(word in known) && word !~ /_$/ && rest !~ /^[*<]/) {
                say("no source file knows " word)
            }
        }
    }
    function check_quoted(rest,    word) {
        while (match(rest, /`[a-z0-9]+_[a-z0-9_]*[a-z0-9]`/)) {
            word = substr(rest, RSTART + 1, RLENGTH - 2)
            rest = substr(rest, RSTART + RLENGTH)
            if (!(word in known)) {
                say("no source file knows " word)
            }
        }
    }
    function check_links(rest,    link, folder) {
        while (match(rest, /\]\([^)#: ]+\)/)) {
            link = substr(rest, RSTART + 2, RLENGTH - 3)
            rest = substr(rest, RSTART + RLENGTH)
            folder = FILENAME
            if (!sub(/\/[^\/]*$/, "/", folder)) {
                folder = ""
            }
            if (system("test -e \"" folder link "\"") != 0) {
                say("the link " link " leads nowhere")
            }
        }
    }
    FNR == 1 { source = ""; inside = 0 }
    /^<!-- in .* -->$/ { source = substr($0, 9, length($0) - 12); next }
    /^```c$/ {
        inside = 1
        block = "\n"
        if (source == "") {
            say("a block of C without a comment that says in which file it is")
        }
        next
    }
    /^```$/ && inside {
        if (source != "" && index(text_of(source), block) == 0) {
            say("the block of C that ends here is not in " source)
        }
        inside = 0
        source = ""
        next
    }
    inside { block = block $0 "\n" }
    { check_words($0); if (FILENAME !~ /\/from-/) check_quoted($0); check_links($0) }' $pages)

if [ -n "$breaches" ]; then
    printf '%s\n' "$breaches"
    exit 1
fi
printf '%s pages agree with the tree\n' "$(printf '%s\n' "$pages" | wc -l)"
