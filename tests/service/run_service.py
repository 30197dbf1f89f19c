"""Run a service in a process that a test can kill: python -m tests.service.run_service ROOT JSON"""

import json
import signal
import sys
import threading
from pathlib import Path

from tests.service.harness import build_service


def main() -> None:
    root = Path(sys.argv[1])
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    service = build_service(root, **json.loads(sys.argv[2]))
    service.start()
    partial = root / "port.partial"
    partial.write_text(str(service.receiver.port))
    partial.replace(root / "port")
    stop.wait()
    service.stop()


if __name__ == "__main__":
    main()
