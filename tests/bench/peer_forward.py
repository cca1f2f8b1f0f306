"""A Llama's forward pass in numpy, in f64, of a Hugging Face directory's weights: what converters are held against."""
import numpy

from peer_to_gguf import EMBEDDING, HEAD, widen


def rms_norm(x, gain, epsilon):
    return x / numpy.sqrt((x * x).mean(axis=-1, keepdims=True) + epsilon) * gain


def rotate(x, theta):
    """x [head][position][size]: the first half of each with the second."""
    half = x.shape[2] // 2
    angles = numpy.outer(numpy.arange(x.shape[1]), theta ** (-numpy.arange(half) / half))
    cos, sin = numpy.cos(angles), numpy.sin(angles)
    first, second = x[..., :half], x[..., half:]
    return numpy.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def attend(q, k, v):
    """All [head][position][size], causal."""
    scores = q @ k.swapaxes(1, 2) / numpy.sqrt(q.shape[2])
    scores[:, ~numpy.tri(q.shape[1], dtype=bool)] = -numpy.inf
    weights = numpy.exp(scores - scores.max(axis=2, keepdims=True))
    return weights / weights.sum(axis=2, keepdims=True) @ v


def forward(config, weights, ids):
    """Logits [position][vocabulary] of the token ids."""
    def matrix(name):
        return widen(*weights[name]).astype(numpy.float64)

    def split(x):
        return x.reshape(len(ids), -1, config['head_dim']).swapaxes(0, 1)

    epsilon, theta = config['rms_norm_eps'], config['rope_theta']
    shared = config['num_attention_heads'] // config['num_key_value_heads']
    x = matrix(EMBEDDING)[ids]
    for n in range(config['num_hidden_layers']):
        at = f'model.layers.{n}'
        normed = rms_norm(x, matrix(f'{at}.input_layernorm.weight'), epsilon)
        q, k, v = (split(normed @ matrix(f'{at}.self_attn.{part}_proj.weight').T) for part in 'qkv')
        k, v = rotate(k, theta).repeat(shared, axis=0), v.repeat(shared, axis=0)
        mixed = attend(rotate(q, theta), k, v).swapaxes(0, 1).reshape(len(ids), -1)
        x = x + mixed @ matrix(f'{at}.self_attn.o_proj.weight').T
        normed = rms_norm(x, matrix(f'{at}.post_attention_layernorm.weight'), epsilon)
        gate, up = (normed @ matrix(f'{at}.mlp.{part}_proj.weight').T for part in ('gate', 'up'))
        x = x + gate / (1 + numpy.exp(-gate)) * up @ matrix(f'{at}.mlp.down_proj.weight').T
    tied = config['tie_word_embeddings'] or HEAD not in weights
    return rms_norm(x, matrix('model.norm.weight'), epsilon) @ matrix(EMBEDDING if tied else HEAD).T
