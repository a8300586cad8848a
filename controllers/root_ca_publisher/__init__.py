"""Puts the certificate authority of the API server into every namespace, where pods find it."""
