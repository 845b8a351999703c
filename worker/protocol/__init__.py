"""The wire: frames, payloads, chat content, calls. Pure; never raises past what it is given."""
