"""Writes the Endpoints that users make as EndpointSlices too, which is where proxies look."""
