"""The batch job of `python app`, as a child of the service: it dies with its parent.

python -m lesionmap.app.service.batch_job PARENT -i IN -o OUT ...
"""

import sys

from lesionmap.app.__main__ import main
from lesionmap.app.service.parent import tie_to_parent

if __name__ == "__main__":
    tie_to_parent(int(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
