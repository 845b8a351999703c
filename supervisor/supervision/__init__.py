"""One account's life and the fleet's: restarts, outages, logins, tickets. Knows all rooms below, and no API."""
