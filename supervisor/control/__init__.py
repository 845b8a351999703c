"""What an operator can ask of the running fleet, and what it answers: status, commands, reload, erasure."""
