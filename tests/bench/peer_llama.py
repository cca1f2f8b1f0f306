"""llama.cpp through the low-level bindings of llama_cpp: what the other peer_*.py files share.

Everything goes in as token ids. Contexts have llama.cpp's own defaults (f16 KV cache, flash attention where
it chooses to, weights repacked for the machine at load) but for the threads and a batch that holds the
whole input.
"""
import collections
import ctypes
import math
import sys

import llama_cpp
import numpy
from gguf import GGUFReader


@llama_cpp.llama_log_callback
def _errors_only(level, text, _):
    if level == 4:  # GGML_LOG_LEVEL_ERROR
        sys.stderr.write(text.decode(errors='replace'))


llama_cpp.llama_log_set(_errors_only, ctypes.c_void_p(0))


class Model:
    """One GGUF loaded with a context of `length` tokens."""

    def __init__(self, path, length, threads):
        params = llama_cpp.llama_model_default_params()
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), params)
        if not self.model:
            sys.exit(f'{path}: llama.cpp cannot load it')
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = length
        params.n_threads = params.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        if not self.context:
            sys.exit(f'{path}: llama.cpp cannot make a context of {length} tokens')
        self.vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.batch = llama_cpp.llama_batch_init(length, 0, 1)

    def clear(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)

    def feed(self, ids, position, first):
        """Runs `ids` from `position` on; logits are computed from index `first` of them on."""
        batch = self.batch
        batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i], batch.logits[i] = int(token), position + i, i >= first
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, 0
        if llama_cpp.llama_decode(self.context, batch):
            sys.exit('llama.cpp failed to decode')
        llama_cpp.llama_synchronize(self.context)

    def logits(self, rows):
        """[rows][vocab] of the last feed, valid until the next."""
        return numpy.ctypeslib.as_array(llama_cpp.llama_get_logits(self.context), (rows, self.vocab))

    def close(self):
        llama_cpp.llama_batch_free(self.batch)
        llama_cpp.llama_free(self.context)
        llama_cpp.llama_model_free(self.model)


def tensor_bytes(path):
    """Bytes of all tensors of a GGUF."""
    return sum(int(tensor.n_bytes) for tensor in GGUFReader(path).tensors)


def tensor_types(path):
    """{type name: {kind of matrix (attn_q, ...): how many have that type}} of a GGUF."""
    types = {}
    for tensor in GGUFReader(path).tensors:
        if len(tensor.shape) > 1:
            kind = tensor.name.split('.')[-2]
            types.setdefault(tensor.tensor_type.name, collections.Counter())[kind] += 1
    return types


def mean_and_error(values):
    """The mean of independent values and its standard error."""
    values = numpy.asarray(values, numpy.float64)
    return values.mean(), values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
