"""Handlers tried outside of a worker, for `check`, `try` and `reload`: each in its own process, nothing is sent."""
