"""Which peer runs a model: the modules have the same Model and tensor_bytes."""
import importlib


def program_of(path):
    return importlib.import_module('peer_onnx' if path.endswith('.onnx') else 'peer_llama')
