"""Train the network: `python -m training.mouth_covers FOLDER`, about ten minutes on two cores.

FOLDER holds portraits as JPEG, 200 to 500 pixels high. The weights come from 813 official portraits of members of the
United States Congress, which are grey and in the public domain: `img/200x250` of github.com/Reform-to/congress-photos.
Needs the extra `convert`.
"""

from __future__ import annotations

import argparse
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from training.mouth_covers.samples import MIXES, Samples, samples_of
from training.mouth_covers.train import export, trained

WEIGHTS = Path(__file__).parents[2] / "pipeline" / "avatars" / "faces" / "covers.onnx"


def main() -> None:
    """Draw the samples, train, write the weights and print what the held-out portraits give."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    files = sorted(arguments.folder.glob("*.jpg"))
    shares = [(files, mix, part, arguments.processes) for mix in MIXES for part in range(arguments.processes)]
    with get_context("spawn").Pool(arguments.processes) as pool:
        parts = pool.starmap(samples_of, shares)
    samples = Samples(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
    WEIGHTS.write_bytes(export(trained(samples)))


if __name__ == "__main__":
    main()
