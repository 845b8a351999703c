"""The accounts' messages as the fleet sees them: reading the inboxes, following them, asking workers to send."""
