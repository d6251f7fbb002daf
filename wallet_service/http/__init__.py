"""What is not RPC on the same port: routes that convert, call one operation, and answer."""
