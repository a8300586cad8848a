"""Port-forwarding: SPDY frames inside WebSocket messages, and the connections into pods."""
