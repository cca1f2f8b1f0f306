"""ONNX Runtime with a model of peer_to_onnx.py: what peer_speed.py and peer_quality.py ask of a program.

All inputs and outputs are bound to memory of our own; past and present of the KV cache to the same, so that it is
updated in place. Sessions have ONNX Runtime's own defaults but for the threads. One sequence at a time.
"""
import sys

import numpy
import onnx
import onnxruntime


def on_processor(array):
    """The same memory as ONNX Runtime sees it."""
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)


class Call:
    """A prepared call: token ids, where they stand and which of them get logits."""

    def __init__(self, model, ids, position, rows):
        total = position + len(ids)
        self.inputs = {'input_ids': numpy.array([ids], numpy.int64), 'rows': numpy.array(rows, numpy.int64),
                       'seqlens_k': numpy.array([total - 1], numpy.int32),
                       'total_sequence_length': numpy.array(total, numpy.int32)}
        self.logits = numpy.empty((1, len(rows), model.vocab), numpy.float32)
        self.binding = model.session.io_binding()
        for name, array in self.inputs.items():
            self.binding.bind_ortvalue_input(name, on_processor(array))
        self.binding.bind_ortvalue_output('logits', on_processor(self.logits))
        for name, value in model.cache.items():
            self.binding.bind_ortvalue_input('past.' + name, value)
            self.binding.bind_ortvalue_output('present.' + name, value)


class Model:
    """One model loaded, with a KV cache of `length` tokens."""

    def __init__(self, path, length, threads, sequences=1, batch=None):
        """batch: no limit of this program."""
        if sequences > 1:
            sys.exit('ONNX Runtime: measured with one sequence only')
        self.path, self.length = path, length
        self.open(threads)

    def open(self, threads):
        """A new session."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3  # errors
        self.session = onnxruntime.InferenceSession(self.path, options, providers=['CPUExecutionProvider'])
        self.vocab = self.session.get_outputs()[0].shape[2]
        shapes = {value.name.removeprefix('past.'): value.shape for value in self.session.get_inputs()
                  if value.name.startswith('past.')}
        self.memory = {name: numpy.zeros((1, shape[1], self.length, shape[3]), numpy.float32)
                       for name, shape in shapes.items()}
        self.cache = {name: on_processor(array) for name, array in self.memory.items()}

    def prepare(self, rows):
        """Rows: (token, position, sequence, logits wanted), as llama.cpp has them."""
        wanted = [i for i, row in enumerate(rows) if row[3]]
        return Call(self, [row[0] for row in rows], rows[0][1], wanted)

    def run(self, *calls):
        for call in calls:
            self.session.run_with_iobinding(call.binding)

    def clear(self):
        """Nothing to do: each call says how much of the cache counts."""

    def go_back(self, depth, sequences):
        """Nothing to do, for the same reason."""

    def feed(self, ids, position, first):
        """Runs `ids` from `position` on; logits are computed from index `first` of them on."""
        self.last = Call(self, [int(token) for token in ids], position, range(first, len(ids)))
        self.run(self.last)

    def logits(self, rows):
        """[rows][vocab] of the last feed."""
        return self.last.logits.reshape(rows, self.vocab)

    def free(self, calls):
        """Nothing to do: Python frees them."""

    def close(self):
        self.session = None


def tensor_bytes(path):
    """Bytes of all weights: those in the data file, each place once."""
    model = onnx.load(path, load_external_data=False)
    places = [{entry.key: entry.value for entry in tensor.external_data} for tensor in model.graph.initializer]
    lengths = {place['offset']: int(place['length']) for place in places if place}
    return sum(lengths.values())
