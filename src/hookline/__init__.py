"""Hookline: a self-hosted webhook gateway for Python teams."""
