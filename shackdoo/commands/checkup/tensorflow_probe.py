"""Prints which TensorFlow is here and which GPUs it sees, as JSON; a process of its own."""

from __future__ import annotations

import json

from shackdoo.training.runtime import load_tensorflow


def probe() -> dict[str, object]:
    """Return versions, and the names of the GPUs that TensorFlow sees."""
    load_tensorflow()
    import keras
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "cuda": tf.sysconfig.get_build_info().get("cuda_version"),
        "gpus": [str(each.get("device_name", "a GPU")) for each in details],
    }


if __name__ == "__main__":
    print(json.dumps(probe()))
