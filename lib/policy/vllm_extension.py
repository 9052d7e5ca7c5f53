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

# Relative to the greatest entry of a product. One of rounded numbers (bfloat16) differs by less than a hundredth from
# that of the same numbers in another order of summation.
LARGEST_GAP = 0.02


class WeightLoader:
    """Mixed into vLLM's worker class, whose ``model_runner`` it uses; called through collective_rpc."""

    def load_weight_file(self, path: str, digest: str) -> dict[str, object]:
        """Take over the weights of a safetensors file, and compare what the layers multiply by with the file.

        Nothing is touched when the file's BLAKE2b digest is another than ``digest``.

        Returns what was found: {"refused": ...} where the old weights stand, {"wrong": ...} where what the layers
        multiply by is not the file's, or {"digest": ..., "largest_gap": ..., "compared": ...}.
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
        gaps = dict(_product_gaps(model, tensors))
        if not gaps:
            return {"wrong": "none of the file's matrices belongs to a layer of the model"}
        known = {name: gap for name, gap in gaps.items() if gap is not None}
        wrong = [f"{name} ({gap:.3f} apart)" for name, gap in known.items() if not gap <= LARGEST_GAP]
        if wrong:
            return {"wrong": f"these layers multiply by other weights than the file's: {', '.join(wrong[:3])}"}
        return {"digest": found, "largest_gap": max(known.values(), default=0.0), "compared": len(known)}


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


def _product_gaps(model: torch.nn.Module, tensors: dict[str, torch.Tensor]) -> Iterator[tuple[str, float | None]]:
    """For each layer that multiplies by a matrix of the file: how far its product is from the file's.

    None for a layer that holds a part of its matrix, under tensor parallelism.
    """
    fused = getattr(model, "packed_modules_mapping", {})
    for name, layer in model.named_modules():
        method = getattr(layer, "quant_method", None)
        weight = _weight_of(name, fused, tensors)
        if method is None or weight is None or not hasattr(layer, "weight"):
            continue
        if getattr(layer, "tp_size", 1) > 1:
            yield name, None
            continue
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(1, weight.shape[1], generator=generator, dtype=torch.float32)
        x, weight = x.to(layer.weight.device, layer.weight.dtype), weight.to(layer.weight.device, layer.weight.dtype)
        expected = torch.nn.functional.linear(x, weight).float()
        got = method.apply(layer, x).float()[:, : expected.shape[1]]
        is_whole = got.shape == expected.shape
        yield name, ((got - expected).abs().max() / expected.abs().max().clamp(min=1e-6)).item() if is_whole else None


def _weight_of(name: str, fused: dict[str, list[str]], tensors: dict[str, torch.Tensor]) -> torch.Tensor | None:
    """The matrix that the file has for a layer, of a fused one its parts one below the other."""
    folder, _, last = name.rpartition(".")
    parts = [".".join(filter(None, (folder, part))) + ".weight" for part in fused.get(last, [last])]
    if last == "lm_head" and parts[0] not in tensors:
        parts = ["model.embed_tokens.weight"]
    found = [tensors[part] for part in parts if part in tensors and tensors[part].dim() == 2]
    return torch.cat(found) if len(found) == len(parts) else None
