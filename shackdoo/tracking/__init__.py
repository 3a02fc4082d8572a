"""Durable tracking: a journal on disk first, a shipper that carries it to MLflow.

The training process writes to a :class:`~shackdoo.tracking.tracker.Tracker` and imports no
MLflow; only :mod:`shackdoo.tracking.shipper` and :mod:`shackdoo.tracking.mlflow_store` do.
"""
