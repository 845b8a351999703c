"""Access tokens: the signed call, the way out (egress), its pace and budget."""
