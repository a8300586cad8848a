"""The controllers: loops that make the world what the objects say it should be. See README.md."""
