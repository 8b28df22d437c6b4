"""`python -m demo.clean`: delete the demo's data, also the part that root's Postgres keeps in a public place."""

import os
import shutil
import sys

from demo.console import complain
from demo.processes import ProcessFailed, lock_folder
from demo.run import DATA_FOLDER
from demo.server_files import remove_home


def main() -> int:
    for data in DATA_FOLDER.glob("*/"):
        try:
            os.close(lock_folder(data))
        except ProcessFailed as failure:
            complain(str(failure))
            return 1
        remove_home(data / "postgres")
        shutil.rmtree(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
