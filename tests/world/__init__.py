"""A small, private internet for tests: signed DNS zones, name servers that lie, and SMTP servers that misbehave.

`lab.Lab` puts it together, `relay.Relay` runs the real binary in it, `scenario` holds the expectations.
"""
