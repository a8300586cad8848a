"""Keeps EndpointSlices equal to the pods that Services select."""
