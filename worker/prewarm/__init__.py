"""Makes workers smaller before they are forked. An optimisation: without it all works and needs more memory."""
