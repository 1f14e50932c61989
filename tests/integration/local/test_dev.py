"""`vectorplane dev` as a process: start, serve, stop, and what it must not let happen."""

from __future__ import annotations

import json
import os
import signal
import socket
from urllib.parse import urlsplit

import httpx
import pytest
from conftest import Local, eventually, manifest, point
