"""Models from inside: their spectra, their layers, and how far both are from another model's."""
