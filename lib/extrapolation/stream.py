"""Safetensors, read and written a few rows at a time, so that no model has to fit into memory.

In: a folder with ``model.safetensors``, or with shards and their index. Out: parts of tensors; and
a folder of the same layout, filled tensor by tensor. The file knows nothing of what is computed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import torch
from safetensors import SafetensorError, safe_open

from lib.errors import ArtifactError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True)
class TensorInfo:
    name: str
    dtype: str  # as safetensors writes it
    shape: tuple[int, ...]

    @property
    def num_elements(self) -> int:
        return int(torch.Size(self.shape).numel())

    @property
    def num_bytes(self) -> int:
        return self.num_elements * DTYPES[self.dtype].itemsize

    @property
    def is_float(self) -> bool:
        return DTYPES[self.dtype].is_floating_point

    def spans(self, max_elements: int) -> list[tuple[int, int]]:
        """Ranges of rows (the first dimension) of at most ``max_elements``, at least one row each."""
        num_rows = self.shape[0] if self.shape else 1
        if num_rows == 0:
            return []
        rows = max(1, max_elements * num_rows // max(1, self.num_elements))
        return [(start, min(start + rows, num_rows)) for start in range(0, num_rows, rows)]


class Checkpoint:
    """A folder of safetensors files, of which tensors are read by rows.

    A file is mapped only while a part of it is read, so the mapped pages do not pile up.
    Raises ArtifactError, naming the file, where one is missing or damaged.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.layout: dict[str, list[str]] = {}  # file name -> tensors, in the order of the file
        self.tensors: dict[str, TensorInfo] = {}
        for file_name in self._file_names():
            with self._open(file_name) as file:
                self.layout[file_name] = list(file.keys())
                for name in self.layout[file_name]:
                    view = file.get_slice(name)
                    self.tensors[name] = TensorInfo(name, view.get_dtype(), tuple(view.get_shape()))
        self._file_of = {name: file_name for file_name, names in self.layout.items() for name in names}

    def read(self, name: str, span: tuple[int, int]) -> torch.Tensor:
        """The rows ``span`` of a tensor, flattened."""
        with self._open(self._file_of[name]) as file:
            if not self.tensors[name].shape:
                return file.get_tensor(name).reshape(1)
            return file.get_slice(name)[span[0] : span[1]].reshape(-1)

    def _file_names(self) -> list[str]:
        index = self.folder / INDEX
        if not index.exists():
            return [SINGLE]
        try:
            return sorted(set(json.loads(index.read_text())["weight_map"].values()))
        except (ValueError, KeyError) as error:
            raise ArtifactError(
                f"The index of a sharded checkpoint cannot be read: {error}", where=str(index)
            ) from error

    def _open(self, file_name: str) -> safe_open:
        path = self.folder / file_name
        try:
            return safe_open(path, framework="pt")
        except (OSError, SafetensorError) as error:
            raise ArtifactError(
                f"A checkpoint's weights cannot be read: {error}",
                where=str(path),
                next_step="run the stage that wrote this checkpoint again with --force",
            ) from error


class StreamWriter:
    """Writes one safetensors file in order, part by part; it appears under its name when complete.

    The format is a little-endian 64-bit header length, a JSON header and the tensors' bytes
    (https://huggingface.co/docs/safetensors, "Format").
    """

    def __init__(self, path: Path, tensors: list[TensorInfo]):
        self._path, self._partial = path, path.with_name(path.name + ".partial")
        header: dict[str, dict[str, object]] = {"__metadata__": {"format": "pt"}}
        offset = 0
        for info in tensors:
            header[info.name] = {
                "dtype": info.dtype,
                "shape": info.shape,
                "data_offsets": (offset, offset + info.num_bytes),
            }
            offset += info.num_bytes
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        self._file = self._partial.open("wb")
        self._file.write(len(text).to_bytes(8, "little") + text)
        self._missing = offset

    def write(self, part: torch.Tensor) -> None:
        data = part.contiguous().reshape(-1).view(torch.uint8).numpy()
        self._missing -= data.nbytes
        self._file.write(data)

    def __enter__(self) -> StreamWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._file.close()
        if kind is not None:
            self._partial.unlink(missing_ok=True)
            return
        assert self._missing == 0, f"{self._path} lacks {self._missing} bytes of what its header promises"
        os.replace(self._partial, self._path)


def write_checkpoint_like(
    model: Checkpoint, out: Path, *, make: Callable[[TensorInfo, tuple[int, int]], torch.Tensor], max_elements: int
) -> None:
    """Write ``out`` with the files, tensors and types of ``model`` and the values of ``make(tensor, rows)``.

    Configuration, tokenizer and whatever else lies in the model's folder are copied.
    """
    out.mkdir(parents=True, exist_ok=True)
    for path in model.folder.iterdir():
        if path.is_file() and path.name not in model.layout:
            shutil.copyfile(path, out / path.name)
    for file_name, names in model.layout.items():
        infos = [model.tensors[name] for name in names]
        with StreamWriter(out / file_name, infos) as writer:
            for info, span in _parts(infos, max_elements):
                writer.write(make(info, span).to(DTYPES[info.dtype]))


def _parts(infos: list[TensorInfo], max_elements: int) -> Iterator[tuple[TensorInfo, tuple[int, int]]]:
    for info in infos:
        for span in info.spans(max_elements):
            yield info, span
