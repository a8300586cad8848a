"""Keeps Endpoints, the form before EndpointSlices, equal to the pods that Services select."""
