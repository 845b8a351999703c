"""What runs once per account, in a process of its own: small, and without cookies. It never imports `supervisor`."""
