"""Perception Workbench: ten papers on building perception systems under a budget, as one small package.

The folders are floors; a file imports only from its own floor or from floors below:

1. ``datasets``, ``geometry``, ``ops``, ``metrics``, ``training``
2. ``estimators``, ``encoders``, ``retrieval``, ``models``, ``distillation``, ``pruning``
3. ``experiments``
4. ``figures`` (plotly starts here)
5. ``panels`` (ipywidgets starts here)
"""

from workbench._environment import check_torch_pair

__version__ = "0.1.0"

check_torch_pair()
