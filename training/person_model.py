"""Convert MediaPipe's selfie segmentation from TensorFlow Lite to ONNX, so that it runs on ONNX Runtime.

Run: python -m training.person_model FOLDER, where FOLDER holds `selfie_segmentation.tflite` (Apache-2.0; the package
mediapipe 0.10.21 carries it in `mediapipe/modules/selfie_segmentation`). Needs the extra `convert`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import tflite

from training.face_models import Converter

SOURCE = "selfie_segmentation.tflite"
TARGET = Path(__file__).parents[1] / "pipeline" / "composition" / "person.onnx"


def main() -> None:
    """Convert the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with the .tflite file")
    model = tflite.Model.GetRootAsModel((parser.parse_args().folder / SOURCE).read_bytes(), 0)
    TARGET.write_bytes(Converter(model).converted().SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
