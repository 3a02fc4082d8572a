"""Deterministic training of compiled Keras models: runtime, order of examples, loop, schedules."""
