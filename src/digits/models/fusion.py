"""Batch normalization as part of the convolution before it, for prediction."""

from collections import Counter

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from digits.models.layers import Conv2d


def fuse_batch_norm(network: nn.Module) -> nn.Module:
    """Multiplies each batch normalization into the convolution before it, in place. The network computes the same in
    evaluation, `compact_cnn` 1.3 times as fast. A network that torch.fx cannot trace stays as it is."""
    if not any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules()):
        return network
    from torch.fx import Tracer  # imported late: takes a while
    from torch.fx.experimental.optimization import matches_module_pattern

    tracer = Tracer()
    is_layer = tracer.is_leaf_module
    tracer.is_leaf_module = lambda module, name: isinstance(module, Conv2d) or is_layer(module, name)  # type: ignore[method-assign, assignment]
    try:
        graph = tracer.trace(network)
    except Exception:  # runs the network's own code on placeholders, which can raise anything
        return network
    modules = dict(network.named_modules(remove_duplicate=False))
    names, calls = Counter(modules.values()), Counter(node.target for node in graph.nodes)
    for node in graph.nodes:
        if any(matches_module_pattern((conv, nn.BatchNorm2d), node, modules) for conv in (Conv2d, nn.Conv2d)):
            conv, norm = node.args[0].target, node.target
            used_once = all(calls[name] == names[modules[name]] == 1 for name in (conv, norm))
            if used_once and len(node.args[0].users) == 1 and modules[norm].track_running_stats:
                network.set_submodule(conv, fuse_conv_bn_eval(modules[conv], modules[norm]))
                network.set_submodule(norm, nn.Identity())
    return network
