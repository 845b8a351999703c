"""The owner's handlers, Python or webhook: loading, calling one message per conversation at a time, retries."""
