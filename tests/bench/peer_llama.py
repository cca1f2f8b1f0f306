"""llama.cpp through the low-level bindings of llama_cpp: what peer_speed.py and peer_quality.py ask of a program.

Everything goes in as token ids. Contexts have llama.cpp's own defaults (f16 KV cache, flash attention where
it chooses to, weights repacked for the machine at load) but for the threads and a batch that holds the
whole input.
"""
import collections
import ctypes
import sys

import llama_cpp
import numpy
from gguf import GGUFReader


@llama_cpp.llama_log_callback
def _errors_only(level, text, _):
    if level == 4:  # GGML_LOG_LEVEL_ERROR
        sys.stderr.write(text.decode(errors='replace'))


llama_cpp.llama_log_set(_errors_only, ctypes.c_void_p(0))


def fill(batch, rows):
    """Rows: (token, position, sequence, logits wanted)."""
    batch.n_tokens = len(rows)
    for i, (token, position, sequence, wanted) in enumerate(rows):
        batch.token[i], batch.pos[i], batch.logits[i] = int(token), position, wanted
        batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence


class Model:
    """One GGUF loaded with a context of `length` tokens."""

    def __init__(self, path, length, threads, sequences=1, batch=None):
        """batch: largest batch, by default `length`, which is the context of each sequence."""
        self.path, self.length = path, length
        self.sequences, self.most = sequences, batch or length
        params = llama_cpp.llama_model_default_params()
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), params)
        if not self.model:
            sys.exit(f'{path}: llama.cpp cannot load it')
        self.context, self.batch = None, llama_cpp.llama_batch_init(self.most, 0, 1)
        self.vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.open(threads)

    def open(self, threads):
        """A new context."""
        if self.context:
            llama_cpp.llama_free(self.context)
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = self.length * self.sequences, self.most, self.most
        params.n_seq_max = self.sequences
        params.n_threads = params.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        if not self.context:
            sys.exit(f'{self.path}: llama.cpp cannot make a context of {self.length} tokens')

    def clear(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)

    def feed(self, ids, position, first):
        """Runs `ids` of sequence 0 from `position` on; logits are computed from index `first` of them on."""
        fill(self.batch, [(token, position + i, 0, i >= first) for i, token in enumerate(ids)])
        self.run(self.batch)

    def prepare(self, rows):
        """A batch of its own, for the caller to free."""
        batch = llama_cpp.llama_batch_init(len(rows), 0, 1)
        fill(batch, rows)
        return batch

    def free(self, batches):
        for batch in batches:
            llama_cpp.llama_batch_free(batch)

    def go_back(self, depth, sequences):
        """Drops what came after the first `depth` tokens."""
        memory = llama_cpp.llama_get_memory(self.context)
        for sequence in range(sequences):
            llama_cpp.llama_memory_seq_rm(memory, sequence, depth, -1)

    def run(self, *batches):
        """Runs prepared batches one after the other."""
        failed = sum(llama_cpp.llama_decode(self.context, batch) for batch in batches)
        llama_cpp.llama_synchronize(self.context)
        if failed:
            sys.exit('llama.cpp failed to decode')

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
