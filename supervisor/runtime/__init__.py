"""Puts everything together and takes it apart again: start, lock, logs, the life of the supervisor process."""
