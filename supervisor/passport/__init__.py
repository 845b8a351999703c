"""Logins at the platform's own login page, as the page itself makes and renews them."""
