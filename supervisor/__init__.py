"""What runs once per fleet: reads accounts.yml, holds the logins, supervises the workers, serves the API."""
