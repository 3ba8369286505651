"""Found by Python when it starts, as this folder is on PYTHONPATH: sets `spans` up."""

import spans

spans.install()
