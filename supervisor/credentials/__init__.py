"""Cookies and what is kept with them, per account, on disk. Nobody else writes there."""
