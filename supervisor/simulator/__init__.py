"""The built-in gateway: a server and process of its own that speaks the platform's protocol and its faults."""
