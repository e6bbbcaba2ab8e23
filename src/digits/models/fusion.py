"""Batch normalization as part of the convolution before it, for prediction."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from digits.models.layers import Conv2d

if TYPE_CHECKING:
    from torch.fx import Graph


def fuse_batch_norm(network: nn.Module) -> nn.Module:
    """Multiplies each batch normalization into the convolution before it, in place. The network computes the same in
    evaluation, `compact_cnn` 1.3 times as fast. A network that torch.fx cannot trace stays as it is."""
    has_batch_norm = any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())
    graph = _trace(network) if has_batch_norm else None
    if graph is None:
        return network
    modules = dict(network.named_modules(remove_duplicate=False))
    for conv, norm in _fusible_pairs(graph, modules):
        network.set_submodule(conv, fuse_conv_bn_eval(modules[conv], modules[norm]))
        network.set_submodule(norm, nn.Identity())
    return network


def _fusible_pairs(graph: "Graph", modules: Mapping[str, nn.Module]) -> Iterator[tuple[str, str]]:
    """Yields (convolution, normalization) names; the convolution feeds only this normalization."""
    uses = Counter(modules.values())
    calls = Counter(node.target for node in graph.nodes)

    def is_used_once(name: str) -> bool:
        return calls[name] == 1 and uses[modules[name]] == 1

    for node in graph.nodes:
        if not node.args or not _is_call(node, (nn.BatchNorm2d,), modules):
            continue
        features: Any = node.args[0]
        if not _is_call(features, (Conv2d, nn.Conv2d), modules):
            continue
        conv, norm = features.target, node.target
        feeds_only_norm = len(features.users) == 1 and is_used_once(conv) and is_used_once(norm)
        if feeds_only_norm and modules[norm].track_running_stats:
            yield conv, norm


def _trace(network: nn.Module) -> "Graph | None":
    """The calls of the layers, in their order. None if torch.fx cannot trace the network."""
    from torch.fx import Tracer  # imported late: takes a while

    class LayerTracer(Tracer):
        def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
            return isinstance(m, Conv2d) or super().is_leaf_module(m, module_qualified_name)

    try:
        return LayerTracer().trace(network)
    except Exception:  # runs the network's own code on placeholders, which can raise anything
        return None


def _is_call(node: object, layers: tuple[type[nn.Module], ...], modules: Mapping[str, nn.Module]) -> bool:
    """Whether a node of a graph calls a layer of one of these types. A subclass may compute something else."""
    if getattr(node, "op", None) != "call_module":
        return False
    return type(modules[node.target]) in layers  # type: ignore[attr-defined]
