"""Messages over connections: catching up, sending, and the service that ties store, handlers and session."""
