"""Machine-readable opt-out signals: bytes or text in, signals out; no I/O."""
