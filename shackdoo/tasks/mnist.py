"""MNIST digits: a small convolutional network that learns them in one epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field, NonNegativeInt, PositiveInt

from shackdoo.task import Task
from shackdoo.tasks import handwriting, ink

if TYPE_CHECKING:
    import keras

CLASSES = 10
PIXEL_MEAN, PIXEL_DEVIATION = 33.3, 78.6  # of the training images, in grey levels 0 to 255
MARGIN = 2  # pixels cut off on each side: the digits lie in the middle 24 by 24


class Mnist_A(Task):
    """Two convolutions and a dense layer on images of 28 by 28 grey levels, in plain settings."""

    class Parameters(Task.Parameters):
        """What ``Mnist_A`` adds to the parameters every task has."""

        stem_filters: PositiveInt
        body_filters: PositiveInt
        dense_units: PositiveInt
        dropout: float = Field(ge=0, lt=1)
        batch_norm_momentum: float = Field(gt=0, lt=1)
        label_smoothing: float = Field(ge=0, lt=1)
        shift: NonNegativeInt = Field(le=MARGIN)
        image_size: handwriting.Size
        image_polarity: ink.Polarity

    parameters: Parameters

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

        images = keras.Input((28, 28), dtype="uint8", name="image")
        x = layers.Reshape((28, 28, 1))(images)
        x = layers.Cropping2D(MARGIN)(x)
        x = layers.Rescaling(1 / PIXEL_DEVIATION, offset=-PIXEL_MEAN / PIXEL_DEVIATION)(x)
        x = self.convolution(x, self.parameters.stem_filters, size=5, strides=2)
        x = self.convolution(x, self.parameters.body_filters, size=3, strides=1)
        x = pool_by_slices(x)
        x = layers.Flatten()(x)
        x = layers.Dense(self.parameters.dense_units, use_bias=False)(x)
        x = self.batch_norm(epsilon=1e-3)(x)
        x = layers.ReLU()(x)
        x = layers.Dropout(self.parameters.dropout)(x)
        return keras.Model(images, layers.Dense(CLASSES, name="logits")(x))

    def convolution(self, x: Any, filters: int, size: int, strides: int) -> Any:
        """Return ``x`` after a convolution, batch normalization and ReLU."""
        from keras import layers

        x = layers.Conv2D(filters, size, strides, use_bias=False, kernel_initializer="he_normal")(x)
        return layers.ReLU()(self.batch_norm(epsilon=1e-5)(x))

    def batch_norm(self, epsilon: float) -> keras.layers.Layer:
        """Return a batch normalization by the statistics of a whole batch, on several devices too.

        Args:
            epsilon: added to the variance.
        """
        from keras import layers

        momentum = self.parameters.batch_norm_momentum
        mirrored = self.config.strategy.name == "mirrored"
        return layers.BatchNormalization(momentum=momentum, epsilon=epsilon, synchronized=mirrored)

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


def pool_by_slices(x: Any) -> Any:
    """Return the maximum of each 2 by 2 window of ``(batch, height, width, channels)``.

    The same as ``MaxPooling2D(2)``, which XLA rejects under op determinism; and on CPUs XLA
    runs this several times faster.
    """
    from keras import layers

    corners = [x[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return layers.Maximum()(corners)
