"""The commands, one module each, imported when it runs. They reach a running fleet through `api.client` alone."""
