"""What the cryptography of secure sums costs by `cryptography` and by `pycryptodome`.

`python -m tools.bench.secure_primitives [--processes 7]`. Each process imports what a board needs
beside NumPy, does all of it once, and then often enough to be timed; the libraries take turns. A
figure is the median of the processes. Times are of the processor, relative to `cryptography`.
"""

import json
import random
import subprocess
import sys
from statistics import median

import click

CRYPTOGRAPHY = """
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
mine = X25519PrivateKey.from_private_bytes(KEY)
public = X25519PrivateKey.from_private_bytes(OTHER).public_key().public_bytes_raw()
do = {
    "agree": lambda: mine.exchange(X25519PublicKey.from_public_bytes(public)),
    "derive": lambda: HKDF(hashes.SHA256(), 32, b"salt", b"info").derive(KEY),
    "mask": lambda: Cipher(algorithms.ChaCha20(KEY, bytes(16)), None).encryptor().update(ZEROS),
    "seal": lambda: ChaCha20Poly1305(KEY).encrypt(bytes(12), bytes(66), b"about"),
}
"""
PYCRYPTODOME = """
from Crypto.Cipher import ChaCha20, ChaCha20_Poly1305
from Crypto.Hash import SHA256
from Crypto.Protocol.DH import (
    import_x25519_private_key, import_x25519_public_key, key_agreement
)
from Crypto.Protocol.KDF import HKDF
mine = import_x25519_private_key(KEY)
public = import_x25519_private_key(OTHER).public_key().export_key(format="raw")
def agree():
    theirs = import_x25519_public_key(public)
    return key_agreement(static_priv=mine, static_pub=theirs, kdf=bytes)
def seal():
    cipher = ChaCha20_Poly1305.new(key=KEY, nonce=bytes(12))
    cipher.update(b"about")
    return cipher.encrypt_and_digest(bytes(66))
do = {
    "agree": agree,
    "derive": lambda: HKDF(KEY, 32, b"salt", SHA256, context=b"info"),
    "mask": lambda: ChaCha20.new(key=KEY, nonce=bytes(8)).encrypt(ZEROS),
    "seal": seal,
}
"""
SHARES = """
from Crypto.Protocol.SecretSharing import Shamir
theirs = Shamir.split(67, 100, KEY[:16])
from edgekit.learning.federated.secure.shamir import _weights, combined, split
import os
def combine():
    _weights.cache_clear()  # other holders each time
    return combined(ours)
ours = dict(enumerate(split(KEY, 67, 67, os.urandom), 1))
do = {
    "split, ours": lambda: split(KEY, 67, 100, os.urandom),
    "split, pycryptodome": lambda: [Shamir.split(67, 100, KEY[:16]) for _ in range(2)],
    "combine, ours": combine,
    "combine, pycryptodome": lambda: [Shamir.combine(theirs[:67]) for _ in range(2)],
}
"""
PROCESS = """
import json, time
import numpy
def private():
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_"))
KEY, OTHER, ZEROS = bytes(range(32)), bytes(range(1, 33)), bytes(9644)
before, started = private(), time.process_time()
{library}
for one in do.values():
    one()
found = {{"import and first use": time.process_time() - started,
         "private kB": private() - before}}
for name, one in do.items():
    started, count = time.process_time(), 0
    while count < 3 or time.process_time() - started < 0.05:
        one()
        count += 1
    found[name] = (time.process_time() - started) / count
print(json.dumps(found))
"""
LIBRARIES = {"cryptography": CRYPTOGRAPHY, "pycryptodome": PYCRYPTODOME, "shares": SHARES}


@click.command()
@click.option("--processes", default=7, show_default=True)
def main(processes: int) -> None:
    """Measure and print."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in LIBRARIES}
    for _ in range(processes):
        for name in random.sample(sorted(LIBRARIES), len(LIBRARIES)):
            code = PROCESS.format(library=LIBRARIES[name])
            done = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True
            )
            runs[name].append(json.loads(done.stdout))
    found = {
        name: {key: median(run[key] for run in given) for key in given[0]}
        for name, given in runs.items()
    }
    base, other, shares = (found[name] for name in LIBRARIES)
    for key in base:
        if key == "private kB":
            click.echo(f"{key}: cryptography {base[key]:,.0f}, pycryptodome {other[key]:,.0f}")
        else:
            click.echo(f"{key}: pycryptodome / cryptography {other[key] / base[key]:.2f}")
    for what in ("split", "combine"):
        ratio = shares[f"{what}, pycryptodome"] / shares[f"{what}, ours"]
        click.echo(f"{what} 32 bytes, 67 of 100: pycryptodome / ours {ratio:.0f}")


if __name__ == "__main__":
    main()
