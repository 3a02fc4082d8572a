"""Configuration: found (project), composed (compose), typed (schema), explained when wrong.

Nothing is imported here: asking for help must not cost what composing does.
"""
