"""The thin helper of the course: loading, splitting, saving, plotting and the arithmetic of metrics.

Architectures, compile, fit and thresholds stand in the notebooks, since they are what is being taught.
"""

__version__ = "0.1.0"
