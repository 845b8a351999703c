"""Webhook handlers: the one process that posts to them, what it is told, how it is kept alive."""
