"""Numbers and shapes of the cases."""
import zlib

import numpy as np

INF, NAN = np.inf, np.nan
EIGHT = (2, 1, 1, 2, 1, 1, 1, 2)  # the most dimensions a shape has
ODD = [0.0, -0.0, INF, -INF, NAN, 1e-40, -1e-45, 1.5]
# float64 alone has these: subnormals, the largest, and what float32 has no room for.
FAR = [5e-324, -5e-324, 1e-310, -2.5e-308, 1.7e308, -1.7e308, 1e-200, -1e200]
SHAPES = [(), (1,), (0,), (5,), (2, 3), (3, 1, 2), (1, 1, 1), (2, 0, 3), EIGHT, (1,) * 8, (2, 2, 2), (7,), (1, 4),
          (4, 1), (1, 2, 3), (0, 1), (2, 2, 1, 2)]
PAIRS = [((), ()), ((4,), (4,)), ((2, 2), (2, 2)), ((2, 3), (3,)), ((3,), (2, 3)), ((2, 1), (1, 3)), ((), (2, 3)),
         ((2, 3), ()), ((1,), (4,)), ((0,), (1,)), ((2, 0), (1, 1)), ((0, 3), (3,)),
         ((1,) * 8, (2, 1, 1, 1, 1, 1, 1, 3)), ((2, 1, 1, 1, 2, 1, 1, 1), (1, 1, 2, 1, 1, 1, 1, 2)),
         ((2, 1, 2), (3, 1)), ((1, 1), (1,)), ((3, 1), (4,)), ((1, 3), (2, 1, 1))]


class Draw:
    """Numbers of float32 for an op's cases, the same whatever other ops there are."""
    def __init__(self, op):
        self.random = np.random.default_rng(zlib.crc32(op.encode()))

    def real(self, shape, lo=-3.0, hi=3.0):
        return self.random.uniform(lo, hi, shape).astype(np.float32).astype(np.float64)

    def whole(self, shape, lo, hi, kind=np.float64):
        """From lo to hi, so that equal ones are many."""
        return self.random.integers(lo, hi + 1, shape).astype(kind)

    def mixed(self, shape, lo=-3.0, hi=3.0):
        """With a few of the numbers at which formulas break."""
        x = self.real(shape, lo, hi)
        odd = self.random.random(shape) < 0.3
        return np.where(odd, self.random.choice(np.array(ODD), shape), x)
