"""The gate's engine within an application's own process: what `lockgate.asgi` and `lockgate.wsgi` stand on.

There is no second copy of a rule here. What becomes of a request is the core's
to say (`lockgate._native`); this package loads the configuration, keeps the
engine's facts fresh and writes down what was decided.
"""

from lockgate.inprocess.judged import Identity, Judged

__all__ = ["Identity", "Judged"]
