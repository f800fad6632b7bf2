#!/usr/bin/env bash
# A laptop in a classroom without internet: installs, fetches and runs everything from the teacher's data folder.
# usage, inside a network namespace of its own: offline_classroom.sh TEACHERS_DATA_FOLDER (in a copy of the project)
set -euo pipefail
teacher=$1
python3 - <<'PY'
import fcntl, socket, struct

# Bring up the loopback (SIOCSIFFLAGS, IFF_UP and IFF_RUNNING), without which not even localhost answers.
with socket.socket() as control:
    fcntl.ioctl(control, 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))
try:
    socket.create_connection(("192.0.2.1", 80), timeout=5)
except OSError as error:
    print(f"the network is cut off: {error}")
else:
    raise SystemExit("expected no network; an address outside was reached")
PY
python3 -m http.server 8000 --bind 127.0.0.1 --directory "$teacher" >/dev/null 2>&1 &
trap 'kill $!' EXIT
export DLCOURSE_MIRROR=http://127.0.0.1:8000
python3 - <<'PY'
import time, urllib.request

for _ in range(50):
    try:
        urllib.request.urlopen("http://127.0.0.1:8000/")
        break
    except OSError:
        time.sleep(0.2)
PY
make setup
.venv/bin/python -m dlcourse data fetch mnist cifar10 imdb emojify glove cats_dogs chest_xray
make run-all PROFILE=smoke SOURCE=real
