"""MNIST digits: a small convolutional network that learns them in one epoch, or in four better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from shackdoo.errors import TaskError
from shackdoo.task import Task
from shackdoo.tasks import handwriting, ink

if TYPE_CHECKING:
    import keras

CLASSES = 10
PIXEL_MEAN, PIXEL_DEVIATION = 33.3, 78.6  # of the training images, in grey levels 0 to 255
SIZE = 28  # pixels of an image each way
MARGIN = 2  # pixels cut off on each side: the digits lie in the middle 24 by 24


class Mnist_A(Task):
    """Two convolutions and a dense layer on images of 28 by 28 grey levels, in plain settings."""

    class Parameters(Task.Parameters):
        """What ``Mnist_A`` adds to the parameters every task has."""

        stem: Literal["learned", "cosine"]
        stem_filters: PositiveInt
        stem_size: PositiveInt
        stem_stride: PositiveInt
        body_filters: PositiveInt
        body_size: PositiveInt
        dense_units: PositiveInt
        dropout: float = Field(ge=0, lt=1)
        batch_norm_momentum: float = Field(gt=0, lt=1)
        label_smoothing: float = Field(ge=0, lt=1)
        shift: NonNegativeInt = Field(le=MARGIN)
        image_size: handwriting.Size
        image_polarity: ink.Polarity

    parameters: Parameters

    def check(self) -> None:
        """Raise a TaskError if the parameters can't go with the data or with one another."""
        super().check()
        self.check_waves()
        self.check_places()

    def check_waves(self) -> None:
        """Raise a TaskError if there are no such waves as ``stem=cosine`` asks for."""
        filters = self.parameters.stem_filters
        at_most = 2 * self.parameters.stem_size**2  # a complete basis, each wave with both signs
        if self.parameters.stem == "cosine" and (filters % 2 or filters > at_most):
            raise TaskError(
                f"task.parameters.stem_filters is {filters}, but stem=cosine takes an even number "
                f"of at most {at_most}, as waves come in pairs. Choose such a one, or set "
                f"task.parameters.stem=learned.",
                key="task.parameters.stem_filters",
            )

    def check_places(self) -> None:
        """Raise a TaskError if what the convolutions leave of an image can't be halved."""
        parameters = self.parameters
        pixels = SIZE - 2 * MARGIN
        stem_places = (pixels - parameters.stem_size) // parameters.stem_stride + 1
        places = max(0, stem_places - parameters.body_size + 1)
        if not places or places % 2:
            raise TaskError(
                f"task.parameters.stem_size={parameters.stem_size}, "
                f"stem_stride={parameters.stem_stride} and body_size={parameters.body_size} leave "
                f"{places} places each way of an image's {pixels} pixels; they are halved, so it "
                f"must be an even number, at least 2. Choose others, such as 5, 2 and 3, or 6, 3 "
                f"and 2.",
                key="task.parameters.body_size",
            )

    def refusals(self, inputs: Any) -> Mapping[int, str]:
        """Return which pictures hold nothing or are none."""
        return handwriting.refusals(inputs)

    def forms(self, inputs: Any) -> Mapping[str, int]:
        """Return sizes and polarities of the pictures."""
        return handwriting.forms(inputs, self.parameters.image_polarity)

    def prepare(self, inputs: Any) -> Any:
        """Return pictures of any size, grey or coloured, in the form that MNIST has them in."""
        size, polarity = self.parameters.image_size, self.parameters.image_polarity
        return handwriting.prepare(inputs, size, polarity)

    def build_model(self) -> keras.Model:
        """Return the network: images ``(batch, 28, 28)`` uint8 to logits ``(batch, 10)``."""
        import keras
        from keras import layers

        images = keras.Input((SIZE, SIZE), dtype="uint8", name="image")
        x = layers.Reshape((SIZE, SIZE, 1))(images)
        x = layers.Cropping2D(MARGIN)(x)
        x = layers.Rescaling(1 / PIXEL_DEVIATION, offset=-PIXEL_MEAN / PIXEL_DEVIATION)(x)
        x = self.stem(x)
        x = self.body(x)
        x = layers.Flatten()(x)
        x = layers.Dense(self.parameters.dense_units, use_bias=False)(x)
        x = self.normalized(x)
        x = layers.Dropout(self.parameters.dropout)(x)
        return keras.Model(images, layers.Dense(CLASSES, name="logits")(x))

    def stem(self, x: Any) -> Any:
        """Return ``x`` after the first convolution, of every second or third pixel.

        Nothing is learned up to here with ``stem=cosine``, so training needs no gradient of the
        pictures that come out, which is a third of the work of the convolution behind it. Each
        wave comes with both its signs, as a ReLU lets one through, and is computed once: W. Shang
        et al., "Understanding and Improving Convolutional Neural Networks via Concatenated
        Rectified Linear Units", arXiv:1603.05201.
        """
        from keras import layers

        filters = self.parameters.stem_filters
        size, stride = self.parameters.stem_size, self.parameters.stem_stride
        if self.parameters.stem == "learned":
            return self.normalized(convolution(filters, size, stride)(x))
        layer = convolution(filters // 2, size, stride, trainable=False)
        x = layer(x)
        layer.kernel.assign(cosine_waves(filters // 2, size)[:, :, None])
        return positive(layers.Concatenate()([x, -x]))

    def body(self, x: Any) -> Any:
        """Return ``x`` after the second convolution, at half the height and width.

        The maximum comes before the normalization: that leaves it a quarter of the work.
        """
        layer = convolution(self.parameters.body_filters, self.parameters.body_size)
        return self.normalized(pool_by_slices(layer(x)))

    def normalized(self, x: Any) -> Any:
        """Return ``x`` after batch normalization and ReLU.

        There is no learned scale: the layer that follows has one for each input.
        """
        from keras import layers

        mirrored = self.config.strategy.name == "mirrored"  # statistics are of the whole batch
        x = layers.BatchNormalization(
            momentum=self.parameters.batch_norm_momentum,
            epsilon=1e-5,
            scale=False,
            synchronized=mirrored,
        )(x)
        return positive(x)

    def loss(self) -> Any:
        """Return the cross-entropy of logits and class indices, with smoothed labels."""
        from shackdoo.training.losses import SmoothedCrossentropy

        return SmoothedCrossentropy(self.parameters.label_smoothing)

    def metrics(self) -> list[Any]:
        """Return the accuracy."""
        return ["accuracy"]

    def augment(self, inputs: Any, seed: Any) -> Any:
        """Return the images moved by up to ``shift`` pixels each way, one move a batch."""
        import tensorflow as tf

        reach = self.parameters.shift
        move = tf.random.stateless_uniform([2], seed, -reach, reach + 1, tf.int32)
        return tf.roll(inputs, move, axis=[1, 2])  # what wraps around lies in the cut-off margin


class Mnist_B(Mnist_A):
    """Mnist_A tuned to reach 99 % in one epoch; its hyperparameters: conf/task/Mnist_B.yaml."""


class Mnist_C(Mnist_B):
    """Mnist_B trained for longer, to reach 99.4 %: conf/task/Mnist_C.yaml."""


def convolution(filters: int, size: int, strides: int = 1, trainable: bool = True) -> Any:
    """Return a convolution layer without a bias: batch normalization follows."""
    from keras import layers

    return layers.Conv2D(
        filters,
        size,
        strides,
        use_bias=False,
        kernel_initializer="he_normal",
        trainable=trainable,
    )


def positive(x: Any) -> Any:
    """Return ``x`` where it is positive, else 0.

    The same as the layer ReLU, whose operations TensorFlow takes 3 ms each to translate for XLA;
    a training step has six of them.
    """
    from keras import layers

    return layers.LeakyReLU(negative_slope=0.0)(x)


def cosine_waves(count: int, size: int) -> np.ndarray[Any, Any]:
    """Return the slowest waves of the two-dimensional cosine transform, the faster the louder.

    They stand in for a first layer that is learned: M. Ulicny et al., "Harmonic Convolutional
    Networks based on Discrete Cosine Transform", arXiv:2001.06570. A wave's length is one more
    than its frequency: pictures hold less of the fast ones, and so all come out about alike.

    Args:
        count: waves, at most ``size**2``.
        size: pixels each way.

    Returns:
        Orthogonal waves, float32 ``(size, size, count)``.
    """
    frequencies = np.arange(size)
    basis = np.cos(np.pi * np.outer(2 * np.arange(size) + 1, frequencies) / (2 * size))
    basis /= np.linalg.norm(basis, axis=0)
    pairs = sorted(
        ((row, column) for row in frequencies for column in frequencies),
        key=lambda pair: (pair[0] ** 2 + pair[1] ** 2, pair),
    )
    waves = [
        (1 + np.hypot(row, column)) * np.outer(basis[:, row], basis[:, column])
        for row, column in pairs[:count]
    ]
    return np.stack(waves, axis=-1).astype("float32")


def pool_by_slices(x: Any) -> Any:
    """Return the maximum of each 2 by 2 window of ``(batch, height, width, channels)``.

    The same as ``MaxPooling2D(2)``, which XLA rejects under op determinism; and on CPUs XLA
    runs this several times faster.
    """
    from keras import layers

    corners = [x[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return layers.Maximum()(corners)
