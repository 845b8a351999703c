"""One account's messages and outbox in one SQLite file, and the thread that writes it."""
