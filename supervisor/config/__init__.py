"""accounts.yml becomes settings: what keys mean and what fits together. `reading` knows the file, this the sense."""
