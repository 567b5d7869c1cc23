"""What makes pictures: the real one on diffusers, and a fake one for tests and rehearsals."""
