"""Logs in at ADDRESS PORT with the key in PRIVATE_KEY, and prints the machine's name."""

import os
import sys

from common import login

print(login(os.environ["PRIVATE_KEY"], sys.argv[1], sys.argv[2]))
