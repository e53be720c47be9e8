"""The demo: a gallery painted by code, loopback hosts that show it, and a real build over them."""
