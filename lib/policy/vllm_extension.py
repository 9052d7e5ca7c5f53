"""What Ropewalk adds to a vLLM worker: new weights from a file, checked before and after they are taken over.

vLLM imports this file into its own process and environment (`--worker-extension-cls`), where Ropewalk's dependencies
are not installed: it imports nothing but vLLM and what vLLM brings.

Two things make vLLM's own reload wrong without a word, and both are mended here: on a CPU an output head that is tied
to the embedding keeps a packed copy of the old weights, and a file that is cut or of other bytes is half loaded
before anybody notices.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from safetensors.torch import load_file

# Of each matrix so many columns are read back, by way of the layer's own product with vectors that are 0 but for one
# place: such a product is the column to the bit, however the layer has packed it, so that one that kept its old
# weights shows after the smallest step of training.
COLUMNS = 16
# Relative, for float32 on a GPU, whose products may leave out the last bits (TF32); anywhere else columns are equal.
ROUNDED = 1e-3


class WeightLoader:
    """Mixed into vLLM's worker class, whose ``model_runner`` it uses; called through collective_rpc."""

    def load_weight_file(self, path: str, digest: str) -> dict[str, object]:
        """Take over the weights of a safetensors file, and compare what the layers multiply by with the file.

        Nothing is touched when the file's BLAKE2b digest is another than ``digest``.

        Returns what was found: {"refused": ...} where the old weights stand, {"wrong": ...} where what the layers
        multiply by is not the file's, or {"digest": ..., "compared": ...}: of so many layers columns and of so many
        other tensors all numbers were found to be the file's. Layers under tensor parallelism are not compared.
        """
        try:
            found = _digest(path)
        except OSError as error:
            return {"refused": f"the file cannot be read: {error}"}
        if found != digest:
            return {"refused": f"the file's digest is {found[:12]}, and {digest[:12]} was announced"}
        tensors = load_file(path)
        self.model_runner.reload_weights(weights_iterator=iter(tensors.items()))
        model = self.model_runner.get_model()
        _pack_tied_head(model)
        equal = dict(_compare_columns(model, tensors))
        if not equal:
            return {"wrong": "none of the file's matrices belongs to a layer of the model"}
        equal |= dict(_compare_vectors(model, tensors))
        if wrong := [name for name, is_equal in equal.items() if is_equal is False]:
            return {"wrong": f"these have other weights than the file's: {', '.join(wrong[:3])}"}
        return {"digest": found, "compared": sum(is_equal is not None for is_equal in equal.values())}


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _pack_tied_head(model: torch.nn.Module) -> None:
    """Give the output head the embedding that was just loaded; after vLLM's reload it has its packed copy of old."""
    if not getattr(model.config, "tie_word_embeddings", False):
        return
    head = getattr(model, "lm_head", None)
    embedding = getattr(getattr(model, "model", None), "embed_tokens", None)
    if head is None or embedding is None or head is embedding:
        return
    head.weight = embedding.weight
    head.quant_method.process_weights_after_loading(head)


def _compare_columns(model: torch.nn.Module, tensors: dict[str, torch.Tensor]) -> Iterator[tuple[str, bool | None]]:
    """For each layer that multiplies by a matrix of the file: whether columns of it are the file's.

    None for a layer that holds a part of its matrix, under tensor parallelism.
    """
    for name, layer in model.named_modules():
        method = getattr(layer, "quant_method", None)
        weight = _tensor_of(f"{name}.weight", model, tensors, dim=2)
        if method is None or weight is None or not hasattr(layer, "weight"):
            continue
        if getattr(layer, "tp_size", 1) > 1:
            yield name, None
            continue
        columns = torch.linspace(0, weight.shape[1] - 1, COLUMNS).long()
        x = torch.nn.functional.one_hot(columns, weight.shape[1])
        got = method.apply(layer, x.to(layer.weight.device, layer.weight.dtype)).cpu()
        expected = weight[:, columns].T.to(got.dtype)
        if got.shape[1] < expected.shape[1]:
            yield name, None
            continue
        is_rounded = layer.weight.device.type == "cuda" and layer.weight.dtype == torch.float32
        tolerance = ROUNDED if is_rounded else 0.0
        # Behind the words of a head there may be others that fill its last block.
        yield name, torch.allclose(got[:, : expected.shape[1]], expected, rtol=tolerance, atol=0.0)


def _compare_vectors(model: torch.nn.Module, tensors: dict[str, torch.Tensor]) -> Iterator[tuple[str, bool]]:
    """For each norm and bias of which the file has a tensor of that name and length: whether it is the file's."""
    for name, parameter in model.named_parameters():
        vector = _tensor_of(name, model, tensors, dim=1)
        if parameter.dim() == 1 and vector is not None and vector.shape == parameter.shape:
            yield name, torch.equal(parameter.detach().cpu(), vector.to(parameter.dtype))


def _tensor_of(name: str, model: torch.nn.Module, tensors: dict[str, torch.Tensor], *, dim: int) -> torch.Tensor | None:
    """What the file has for a parameter of the model, of a fused layer its parts one behind the other."""
    layer, _, kind = name.rpartition(".")
    folder, _, last = layer.rpartition(".")
    parts = getattr(model, "packed_modules_mapping", {}).get(last, [last])
    names = [".".join(filter(None, (folder, part, kind))) for part in parts]
    if last == "lm_head" and names[0] not in tensors:
        names = ["model.embed_tokens.weight"]
    found = [tensors[part] for part in names if part in tensors and tensors[part].dim() == dim]
    return torch.cat(found) if len(found) == len(names) else None
