"""One worker of a billing run, as a process that can be killed: `python -m tests.faults.biller PART_SIZE [DAY]`."""

import os
import sys
from datetime import date

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tollbook.settings")
django.setup()

from tollbook.invoicing.run import bill  # noqa: E402

if __name__ == "__main__":
    until = date.fromisoformat(sys.argv[2]) if len(sys.argv) > 2 else None
    bill(until, part_size=int(sys.argv[1]))
