// Carries the precompiled headers of all unit tests; there is nothing to compile in it.
