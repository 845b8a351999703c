"""Items, orders and shipments asked of the platform for an account: the signed calls, their pace, what answers mean."""
