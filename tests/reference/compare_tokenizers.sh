#!/bin/bash
# compare_tokenizers.sh PARE TOKENIZER.json ...: token ids of ours against those of the `tokenizers` package
# on about 2 MB of mixed valid text (all scripts, emoji, code, long runs), with and without the template's tokens.
# PYTHON (default python3) must have the package; SKIP, exit 77, without it. Prints a line a tokenizer; exits 1 when one
# differs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
pare=$1
shift
python=${PYTHON:-python3}
"$python" -c 'import tokenizers' 2>/dev/null || { echo "SKIP: $python has no tokenizers package"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" "$here/tokenizers_ref.py" text "$work/mixed.txt" --bytes 2000000
"$python" "$here/tokenizers_ref.py" ids "$work/mixed.txt" "$work" "$@"

as_u32() {
   "$python" -c 'import array, sys
array.array("I", map(int, sys.stdin.read().split())).tofile(sys.stdout.buffer)'
}

differing=0
for json in "$@"; do
   name=$(basename "$json" .json)
   [ "$name" != tokenizer ] || name=$(basename "$(dirname "$json")")
   [ -f "$work/$name.ids.u32" ] || { echo "$name: the package refuses the text"; continue; }
   result=identical
   "$pare" tokenize "$json" --file "$work/mixed.txt" --no-special -q > "$work/ids"
   as_u32 < "$work/ids" | cmp -s - "$work/$name.ids.u32" || result=DIFFERENT
   "$pare" tokenize "$json" --file "$work/mixed.txt" -q > "$work/ids"
   as_u32 < "$work/ids" | cmp -s - "$work/$name.special.u32" || result=DIFFERENT
   echo "$name: $(($(stat -c %s "$work/$name.ids.u32") / 4)) tokens of $(stat -c %s "$work/mixed.txt") bytes, $result"
   [ $result = identical ] || differing=1
done
exit $differing
