"""What ``lockgate demo`` starts: a sample shop and a gate in front of it.

The shop under ``lockgate.demo.shop`` is the only copy: ``examples/shop`` holds
a configuration for it and its OpenAPI document, which is generated from it.
"""
