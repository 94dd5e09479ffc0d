"""What a user would use or assemble instead, kernel by kernel: libraries, their best combinations, hand-written Numba.

A peer is a `Contestant`; to add one, write a function `run(rasters, params, threads)` in the module of its kernel and
one line in that module's `PEERS`. Libraries are imported where they are used: a peer whose libraries are missing is left
out, by name.
"""

from peers import calibrate, change, composite, indices, moments, programs, stencils, wide

_MODULES = (calibrate, moments, stencils, wide, programs, indices, change, composite)
PEERS = [peer for module in _MODULES for peer in module.PEERS]
