"""The HTTP API: its routes, the ways to reach it, and the small client that the commands use. Decides nothing."""
