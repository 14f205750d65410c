# SPDX-License-Identifier: Apache-2.0
"""Small files in the format of the JPEG-coded CIFAR-10, of pictures made here."""
import io
from pathlib import Path

import numpy as np
from PIL import Image

_SCAN = b"\xff\xda"             # "start of scan": everything before it may be shared


def coloured(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Flat pictures uint8 [n, 3, 32, 32] whose colour follows from the label, with some noise."""
    random = np.random.default_rng(seed)
    labels = (np.arange(n) % 10).astype(np.uint8)
    colours = np.random.default_rng(0).integers(40, 216, (10, 3, 1, 1))
    noise = random.integers(-8, 9, (n, 3, 32, 32))
    return (colours[labels] + noise).astype(np.uint8), labels


def arrays(pictures: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """What a file of these pictures, uint8 [n, 3, height, width], holds."""
    streams = []
    for picture in pictures:
        stream = io.BytesIO()
        Image.fromarray(picture.transpose(1, 2, 0)).save(stream, "JPEG", quality=50)
        streams.append(stream.getvalue())
    cut = streams[0].index(_SCAN)
    bodies = [stream[cut:] for stream in streams]
    return {"header": np.frombuffer(streams[0][:cut], np.uint8),
            "payload": np.frombuffer(b"".join(bodies), np.uint8),
            "lengths": np.array([len(body) for body in bodies], np.uint16), "labels": labels}


def write(folder: Path, split: str, **changed: np.ndarray) -> Path:
    """A file of twenty pictures, arrays replaced by ``changed`` (None: left out)."""
    content = arrays(*coloured(20, seed=len(split))) | changed
    path = folder / f"cifar10_{split}_jpeg.npz"
    np.savez(path, **{name: array for name, array in content.items() if array is not None})
    return path
