"""RAM, 2015-05-01: roles and policies, kept and shown."""
