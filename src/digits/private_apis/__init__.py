"""All uses of private parts of other libraries: underscored or undocumented attributes, and texts of their errors.

Any release of a library can change them. Each has an entry in the table of its library, and a test in
tests/test_private_apis.py, which names the library and the attribute when it fails. Use a public API wherever there is
one, and add the rest here.

Libraries are imported late: `--help` needs none of them.
"""

from digits.private_apis.hydra import HYDRA_COUPLINGS
from digits.private_apis.launchers import LAUNCHER_COUPLINGS
from digits.private_apis.lightning import LIGHTNING_COUPLINGS
from digits.private_apis.pytorch import PYTORCH_COUPLINGS

COUPLINGS = (*HYDRA_COUPLINGS, *LAUNCHER_COUPLINGS, *LIGHTNING_COUPLINGS, *PYTORCH_COUPLINGS)
