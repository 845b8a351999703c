"""What an account tells: its log, its metrics, its status to the supervisor."""
